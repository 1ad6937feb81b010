import { parseArgs } from 'node:util';
import { runNemesis } from './nemesis/run.ts';

const help = `npm run nemesis -- --minutes 10 --seed 7

Posts while everything around is killed, frozen, cut and misled, then holds every job against what the simulated X
really has. The same seed makes the same mischief and the same posts.
  --minutes 10   how long (default 10)
  --seed N       default: the time of day
  --posts N      default: 30 a minute
  --rewinds      Redis also goes back in time, which no promise covers: nothing may be posted twice all the same
`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    posts: { type: 'string' },
    rewinds: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) process.stdout.write(help);
else {
  const minutes = Number(values.minutes);
  const seed = Number(values.seed);
  const posts = Number(values.posts ?? Math.ceil(minutes * 30));
  process.stdout.write(`seed ${seed}: ${posts} posts over ${minutes} minutes\n`);
  const report = await runNemesis({
    seed,
    posts,
    forMs: minutes * 60_000,
    settleMs: 8 * 60_000,
    patient: true,
    rewinds: values.rewinds,
  });
  if (report.broken.length > 0)
    process.stdout.write(`${report.history.join('\n')}\n\nBroken promises:\n${report.broken.join('\n')}\n`);
  process.stdout.write(
    `seed ${seed}: ${report.acts} acts of mischief, ${report.posts} posts on X, ${JSON.stringify(report.ends)}, ${report.broken.length} broken promises\n`,
  );
  process.exit(report.broken.length > 0 ? 1 : 0);
}
