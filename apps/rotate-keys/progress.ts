/** Shows how far a piece of work is: a bar that fills where somebody looks at a terminal, a line per tenth elsewhere. */
export function createProgress(output: {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}): (done: number, total: number) => void {
  let shown = '';
  return (done, total) => {
    const percent = total === 0 ? 100 : Math.floor((done * 100) / total);
    const step = output.isTTY === true ? percent : percent - (percent % 10);
    const filled = Math.floor(step / 4);
    const line = `${'█'.repeat(filled)}${'░'.repeat(25 - filled)} ${step}%`;
    if (line === shown && done < total) return;
    const last = done === total;
    if (output.isTTY === true) output.write(`\r${line} ${done} of ${total}${last ? '\n' : ''}`);
    else if (line !== shown || last) output.write(`${line} ${done} of ${total}\n`);
    shown = line;
  };
}
