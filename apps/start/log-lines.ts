import { prettyFactory } from 'pino-pretty';

const colours = ['36', '33', '35', '32', '34'] as const;

interface LineOptions {
  /** Whether a person reads along: lines of JSON are made readable then, and left to be collected otherwise. */
  readonly terminal: boolean;
  readonly colours: boolean;
  readonly write: (text: string) => unknown;
}

/** Prints what several processes say as one log: each line with the name of its process in front, or in its JSON. */
export function createLineWriter({ terminal, colours: inColour, write }: LineOptions) {
  const pretty = prettyFactory({
    colorize: inColour,
    ignore: 'pid,hostname,name',
    translateTime: 'SYS:HH:MM:ss',
    singleLine: true,
  });
  const names: string[] = [];
  return (name: string, line: string): void => {
    if (!terminal && line.startsWith('{')) return void write(`${line}\n`);
    if (!names.includes(name)) names.push(name);
    const colour = colours[names.indexOf(name) % colours.length];
    const label = `${name.padEnd(9)} |`;
    const prefix = inColour ? `\u001b[${colour}m${label}\u001b[0m` : label;
    const text = line.startsWith('{') ? pretty(line) : line;
    for (const part of text.trimEnd().split('\n')) write(`${prefix} ${part}\n`);
  };
}
