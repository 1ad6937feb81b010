import { prices } from './credits.ts';
import type { UserEndpoint } from './endpoints.ts';
import { checkQuery, readList } from './query.ts';
import type { User } from './settings.ts';
import type { State } from './state.ts';

const userFields = (
  'affiliation confirmed_email connection_status created_at description entities id is_identity_verified location ' +
  'most_recent_tweet_id most_recent_post_id name parody pinned_tweet_id pinned_post_id profile_banner_url ' +
  'profile_image_url protected public_metrics receives_your_dm subscription subscription_type url username ' +
  'verified verified_followers_count verified_type withheld'
).split(' ');

/** The query parameters with which any endpoint chooses what it shows of users, posts and media. */
export const fieldParameters: Readonly<Record<string, readonly string[] | null>> = {
  'user.fields': userFields,
  'tweet.fields': null,
  'post.fields': null,
  'media.fields': null,
  'poll.fields': null,
  'place.fields': null,
  expansions: null,
};

/** `GET /2/users/me`. */
export function createUserEndpoints(state: State): readonly UserEndpoint[] {
  return [
    {
      key: 'GET /2/users/me',
      scopes: ['tweet.read', 'users.read'],
      handle: ({ user, clientId, query }) => {
        checkQuery(query, fieldParameters);
        state.credits.charge(clientId, prices.readUser);
        return { status: 200, body: { data: renderUser(user, readList(query, 'user.fields')) } };
      },
    },
  ];
}

/** A user with X's default fields and those asked for. */
export function renderUser(user: User, fields: readonly string[]): Record<string, unknown> {
  const optional: Record<string, unknown> = {
    subscription_type: user.subscriptionType,
    verified: user.subscriptionType !== 'None',
    verified_type: user.subscriptionType === 'None' ? 'none' : 'blue',
    protected: false,
    description: 'A person of the X simulator',
  };
  const chosen = Object.entries(optional).filter(([name]) => fields.includes(name));
  return { id: user.id, name: user.name, username: user.username, ...Object.fromEntries(chosen) };
}
