import type { XUser } from '#libs/x-api/client.ts';

/** Whether the operator lets this X user connect. `allowed`: usernames in lower case, or ids; empty: anyone. */
export function mayConnect(user: Pick<XUser, 'id' | 'username'>, allowed: readonly string[]): boolean {
  return allowed.length === 0 || allowed.includes(user.id) || allowed.includes(user.username.toLowerCase());
}
