import { prettyFactory } from 'pino-pretty';

const colours = ['36', '33', '35', '32', '34'] as const;

interface LineOptions {
  readonly colours: boolean;
  readonly write: (text: string) => unknown;
}

/** Prints what several processes say as one log: each line with the name of its process in front. */
export function createLineWriter({ colours: inColour, write }: LineOptions) {
  const pretty = prettyFactory({
    colorize: inColour,
    ignore: 'pid,hostname,name',
    translateTime: 'SYS:HH:MM:ss',
    singleLine: true,
  });
  const names: string[] = [];
  return (name: string, line: string): void => {
    if (!names.includes(name)) names.push(name);
    const colour = colours[names.indexOf(name) % colours.length];
    const label = `${name.padEnd(9)} |`;
    const prefix = inColour ? `\u001b[${colour}m${label}\u001b[0m` : label;
    const text = line.startsWith('{') ? pretty(line) : line;
    for (const part of text.trimEnd().split('\n')) write(`${prefix} ${part}\n`);
  };
}
