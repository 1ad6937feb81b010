import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const Tokens = z.object({
  /** The OAuth client that they were given to; null: whoever brought a one-time code. */
  clientId: z.string().nullable(),
  accessToken: z.string(),
  refreshToken: z.string(),
  /** End of the access token, epoch ms. */
  expiresAt: z.number(),
});
const Stored = z.object({ current: z.string(), servers: z.record(z.string(), Tokens) });

/** What one server has given this client. */
export type Tokens = z.infer<typeof Tokens>;

/** The file with the tokens: only its owner may read it. */
export interface Credentials {
  /** The server that was used last; null before the first sign-in. */
  current(): Promise<string | null>;
  find(server: string): Promise<Tokens | null>;
  save(server: string, tokens: Tokens): Promise<void>;
  forget(server: string): Promise<void>;
}

/** @param configHome `XDG_CONFIG_HOME`, or `~/.config` */
export function openCredentials(configHome: string): Credentials {
  const file = join(configHome, 'post-to-x', 'credentials.json');

  async function read(): Promise<z.infer<typeof Stored> | null> {
    try {
      return Stored.parse(JSON.parse(await readFile(file, 'utf8')));
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
      throw new Error(`${file} cannot be read. Remove it and sign in again.`, { cause: error });
    }
  }

  /** In whole or not at all: a torn file would lose the tokens of every server. */
  async function write(stored: z.infer<typeof Stored>): Promise<void> {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const fresh = `${file}.${process.pid}`;
    await writeFile(fresh, `${JSON.stringify(stored, null, 2)}\n`, { mode: 0o600 });
    await chmod(fresh, 0o600);
    await rename(fresh, file);
  }

  return {
    current: async () => (await read())?.current ?? null,
    find: async (server) => (await read())?.servers[server] ?? null,
    async save(server, tokens) {
      await write({ current: server, servers: { ...(await read())?.servers, [server]: tokens } });
    },
    async forget(server) {
      const stored = await read();
      if (!stored) return;
      const { [server]: _, ...servers } = stored.servers;
      await write({ current: stored.current, servers });
    },
  };
}
