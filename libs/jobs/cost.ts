import { findLinks } from '#libs/x-api/find-links.ts';
import { prices } from '#libs/x-api/limits.ts';
import type { Order } from './order.ts';

/** What X will charge for an order, in US dollars, by its price list. */
export function estimateCost(order: Order): { readonly usd: number; readonly hasLink: boolean } {
  let usd = 0;
  let hasLink = false;
  for (const post of order.posts) {
    const link = findLinks(post.text ?? '').length > 0;
    hasLink ||= link;
    usd += link ? prices.postWithUrl : prices.post;
    usd += post.altTexts.filter((altText) => altText !== '').length * prices.altText;
  }
  return { usd: Math.round(usd * 1000) / 1000, hasLink };
}
