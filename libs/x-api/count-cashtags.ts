import twitterText from 'twitter-text';

/** How many cashtags (`$XYZ`) X sees in a text; it takes one from an app (docs.x.com, Create Post). */
export const countCashtags = (text: string): number => twitterText.extractCashtags(text).length;
