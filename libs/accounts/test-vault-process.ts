import { openVault, type VaultSettings } from './vault-rig.ts';

/**
 * A process of its own that asks the vault for one token and prints it, for tests that kill it on the way.
 * Arguments: settings, account id, and the point at which it kills itself (or '').
 */
const [settingsJson = '{}', accountId = '', dieAt = ''] = process.argv.slice(2);
const settings: VaultSettings = JSON.parse(settingsJson);
const die = () => {
  process.kill(process.pid, 'SIGKILL');
  return new Promise<never>(() => {});
};

await using opened = await openVault(settings, ({ accounts, oauth, spool }) => ({
  oauth: { ...oauth, refresh: (token) => (dieAt === 'marked' ? die() : oauth.refresh(token)) },
  spool: { ...spool, drop: (id) => (dieAt === 'stored' ? die() : spool.drop(id)) },
  accounts: {
    ...accounts,
    tokens: {
      ...accounts.tokens,
      rotate: (rotation) => (dieAt === 'spooled' ? die() : accounts.tokens.rotate(rotation)),
    },
  },
}));
await opened.vault.replaySpool();
process.stdout.write(await opened.vault.accessToken(accountId).catch((error) => String(error)));
