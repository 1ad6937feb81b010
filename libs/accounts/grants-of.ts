/**
 * The sorted set that names the key of every grant of ours for an account: what clients may do lasts no longer than
 * the connection to X, so whoever wipes the account's tokens deletes those keys in the same step.
 */
export const grantsOf = (accountId: string): string => `oauth:grants-of:${accountId}`;
