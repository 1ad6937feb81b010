/** What a process still wants to write before it ends, for a second at most: Redis, or whoever should take it, may be away, and then it ends all the same. */
export async function lastWords(write: Promise<unknown>): Promise<void> {
  const patience = Promise.withResolvers<void>();
  const timer = setTimeout(patience.resolve, 1000);
  await Promise.race([write.catch(() => {}), patience.promise]);
  clearTimeout(timer);
}
