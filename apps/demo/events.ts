/** The data of each event named `name` in a stream of server-sent events (WHATWG HTML, section 9.2.6). */
export async function* readEvents(body: ReadableStream<Uint8Array>, name: string): AsyncGenerator<string> {
  let rest = '';
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const valuesOf = (field: string) =>
        block
          .split('\n')
          .flatMap((line) => (line.startsWith(`${field}: `) ? line.slice(field.length + 2) : []));
      if (valuesOf('event').at(-1) === name) yield valuesOf('data').join('\n');
    }
  }
}
