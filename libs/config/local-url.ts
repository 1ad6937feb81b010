const usualPort = '5000';

/** Where the server of this machine listens by its settings, for programs that look for it there. */
export function localUrl({ PORT: port = '' }: Readonly<Record<string, string | undefined>>): string {
  return `http://localhost:${/^[1-9]\d{0,4}$/.test(port) ? port : usualPort}`;
}
