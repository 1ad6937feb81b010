/** Every job whose end is still to come, by when somebody looks at it next. */
export const openKey = 'jobs:open';
export const recordKey = (jobId: string) => `job:${jobId}`;
/** The jobs of an account in the order of their acceptance, with those that have ended. */
export const listKey = (accountId: string) => `jobs:of:${accountId}`;
export const openOfKey = (accountId: string) => `open:${accountId}`;
/** What a sealed order is bound to. */
export const orderContext = (accountId: string, jobId: string) => ({
  record: 'order',
  account: accountId,
  id: jobId,
});
