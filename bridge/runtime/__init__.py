"""What every process needs: log, compute permit, shared counters and limits, the state folder."""
