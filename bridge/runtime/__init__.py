"""What every process needs: log, compute permit, threads, shared counters and limits, the state folder."""
