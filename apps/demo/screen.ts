import type { Job } from './server.ts';

const barWidth = 24;

/** Where the demo writes to. */
export interface Output {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

/** A job as a bar, with a smaller one for each media item when there are several. */
export function renderJob(job: Job): string[] {
  const lines = [`${bar(job.progress, barWidth)}  ${job.message}`];
  if (job.media.length > 1)
    for (const item of job.media)
      lines.push(`${' '.repeat(6)}picture ${item.index + 1} ${bar(item.progress, 12)}  ${item.status}`);
  return lines;
}

function bar(percent: number, width: number): string {
  const full = Math.round((Math.min(Math.max(percent, 0), 100) / 100) * width);
  return `${'█'.repeat(full)}${'░'.repeat(width - full)} ${String(Math.round(percent)).padStart(3)}%`;
}

/**
 * Lines that are written over at each change. Where the output is no terminal, each new first line is printed
 * once instead.
 */
export function createLiveLines(output: Output) {
  let shown = 0;
  let last = '';
  return (lines: readonly string[]): void => {
    if (output.isTTY) {
      if (shown > 0) output.write(`\u001b[${shown}A\u001b[0J`);
      output.write(lines.map((line) => `  ${line}\n`).join(''));
      shown = lines.length;
    } else if (lines[0] !== undefined && lines[0] !== last) {
      last = lines[0];
      output.write(`  ${last}\n`);
    }
  };
}

/** Rows under a heading, each column as wide as its widest cell. */
export function renderTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const render = (row: readonly string[]) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd();
  const [head = [], ...body] = rows;
  return [render(head), render(widths.map((width) => '─'.repeat(width))), ...body.map(render)].join('\n');
}
