import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const NotedServer = z.object({ pid: z.int().min(2), port: z.int(), password: z.string() });

/** Where the Redis that `npm start` brings can be found while it runs. */
export type NotedServer = z.infer<typeof NotedServer>;

/** Leaves a note about the running server in its folder, for its owner only. */
export async function noteServer(dir: string, server: NotedServer): Promise<void> {
  const file = join(dir, 'server.json');
  await writeFile(`${file}.new`, JSON.stringify(server), { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** The note in a server's folder; null: there is none that can be read. The server may have ended since. */
export async function readServerNote(dir: string): Promise<NotedServer | null> {
  try {
    return NotedServer.parse(JSON.parse(await readFile(join(dir, 'server.json'), 'utf8')));
  } catch {
    return null;
  }
}
