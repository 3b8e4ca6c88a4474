// Says every 3 s that it is time to look.
setInterval(() => postMessage(0), 3000);
