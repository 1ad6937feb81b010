import { mkdir, writeFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { plot } from './plot.ts';
import { describeGoal, format, isMet, type Row, ratioOf, type Series } from './row.ts';

const columns = ['', 'ours', 'baseline', 'ratio', 'goal', ''] as const;

/** The rows as a table for a terminal. */
export function toTable(rows: readonly Row[]): string {
  const lines = [columns, ...rows.map(toCells)];
  const widths = columns.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function toCells(row: Row): string[] {
  const ratio = ratioOf(row);
  const met = isMet(row);
  return [
    row.what,
    `${format(row.ours)} ${row.unit}`,
    row.baseline === null ? '–' : `${format(row.baseline)} ${row.unit}`,
    ratio === null ? '' : `${ratio.toFixed(2)} ×`,
    describeGoal(row),
    met === null ? '' : met ? 'met' : 'missed',
  ];
}

/** Writes a series' figures as JSON, and a plot of them, into `folder`. */
export async function save(folder: string, { name, title }: Series, rows: readonly Row[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const machine = {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    arch: arch(),
    node: process.version,
  };
  const figures = rows.map((row) => ({ ...row, ratio: ratioOf(row), met: isMet(row) }));
  const measuredAt = new Date().toISOString();
  await writeFile(
    join(folder, `${name}.json`),
    `${JSON.stringify({ name, title, measuredAt, machine, rows: figures }, null, 2)}\n`,
  );
  await writeFile(join(folder, `${name}.svg`), plot(title, rows));
}
