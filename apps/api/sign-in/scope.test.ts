import { describe, expect, it } from 'vitest';
import { grantedScope, planScope, xScopes } from './scope.ts';

describe('the scopes of a client', () => {
  it.each([
    [undefined, 'tweet.read tweet.write users.read media.write offline.access'],
    ['   ', 'tweet.read tweet.write users.read media.write offline.access'],
    ['tweet.write', 'tweet.read tweet.write users.read media.write offline.access'],
    ['users.read', 'users.read offline.access'],
    ['users.read users.read dm.write', 'users.read offline.access'],
    ['Tweet.Write', ''],
    ['__proto__ constructor', ''],
  ])('%s come to: %s', (requested, planned) => {
    expect(planScope(requested).join(' ')).toBe(planned);
  });

  it('are cut down to what X granted, which is all when X names nothing', () => {
    expect(grantedScope(xScopes, ['users.read', 'dm.read', 'tweet.read'])).toEqual([
      'tweet.read',
      'users.read',
    ]);
    expect(grantedScope(['users.read'], xScopes)).toEqual(['users.read']);
    expect(grantedScope(xScopes, [])).toEqual(xScopes);
  });
});
