import { join } from 'node:path';
import { save, toTable } from './report.ts';
import { isMet, type Row, type Series } from './row.ts';
import { accept } from './series/accept.ts';
import { backlog } from './series/backlog.ts';
import { gif } from './series/gif.ts';
import { images } from './series/images.ts';
import { latency } from './series/latency.ts';
import { media } from './series/media.ts';
import { publish } from './series/publish.ts';
import { start } from './series/start.ts';
import { waiters } from './series/waiters.ts';
import { workers } from './series/workers.ts';

const known: readonly Series[] = [
  ...[accept, publish, latency, media, images, gif, waiters, workers, backlog, start],
];

const help = `npm run bench -- [series …]: how fast it is, each figure beside that of a baseline from the same run

${known.map(({ name, title }) => `  ${name.padEnd(9)} ${title}`).join('\n')}

Without names: all of them, about ten minutes. Figures and plots go to bench/results/; docs/performance.md explains them.
On a machine that does other things at the same time the ratios are worth more than the figures.
`;

const names = process.argv.slice(2);
const unknown = names.filter(
  (name) => !name.startsWith('-') && !known.some((series) => series.name === name),
);
if (names.some((name) => name === '--help' || name === '-h')) console.log(help);
else if (unknown.length > 0) {
  console.error(`There is no series ${unknown.join(', ')}.\n\n${help}`);
  process.exitCode = 2;
} else await runAll(known.filter(({ name }) => names.length === 0 || names.includes(name)));

async function runAll(chosen: readonly Series[]): Promise<void> {
  const all: Row[] = [];
  for (const series of chosen) {
    console.log(`\n${series.title}`);
    const rows = await series.run();
    if (rows.length === 0) continue;
    console.log(toTable(rows));
    await save(join(import.meta.dirname, 'results'), series, rows);
    all.push(...rows);
  }
  const judged = all.map(isMet).filter((met) => met !== null);
  console.log(`\n${judged.filter(Boolean).length} of ${judged.length} goals met`);
}
