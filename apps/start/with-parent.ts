// Loaded into each process that `npm start` runs, before its own code: when `npm start` itself is killed, nothing
// may go on without it. What was in work is taken up again at the next start.
if (process.channel) {
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  process.channel.unref();
}
