import { findLinks } from '#libs/x-api/find-links.ts';
import type { Prices } from '#libs/x-api/limits.ts';
import type { Order, PostOrder } from './order.ts';

/** What X charges for creating one post, in US dollars. */
export function costOfPost(post: PostOrder, prices: Prices): number {
  return hasLink(post) ? prices.postWithUrl : prices.post;
}

/** What X will charge for an order, alt texts included, in US dollars. */
export function estimateCost(
  order: Order,
  prices: Prices,
): { readonly usd: number; readonly hasLink: boolean } {
  const usd = order.posts.reduce(
    (sum, post) =>
      sum +
      costOfPost(post, prices) +
      post.altTexts.filter((altText) => altText !== '').length * prices.altText,
    0,
  );
  return { usd: Math.round(usd * 1000) / 1000, hasLink: order.posts.some(hasLink) };
}

const hasLink = (post: PostOrder): boolean => findLinks(post.text ?? '').length > 0;
