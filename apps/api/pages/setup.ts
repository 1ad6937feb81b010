import { type Html, html } from './html.ts';

const scope = 'tweet.read tweet.write users.read media.write offline.access';

/** The front doors that are open: nothing is explained that leads to a closed one. */
export interface Doors {
  readonly rest: boolean;
  readonly mcp: boolean;
}

/** How to set up a custom GPT, an MCP client and a script, with what has to be copied. */
export function setupOf(publicUrl: string, { rest, mcp }: Doors): Html | null {
  if (!rest && !mcp) return null;
  return html`<section><h2>Set up an assistant</h2>
${rest && customGpt(publicUrl)}${mcp && mcpClient(publicUrl)}${rest && script(publicUrl)}</section>`;
}

function customGpt(publicUrl: string): Html {
  return html`<details><summary>Custom GPT</summary>
<ol>
<li>In the GPT editor under Configure, create a new action with authentication <strong>OAuth</strong>. Client ID and secret are
the server’s <code>GPT_CLIENT_ID</code> and <code>GPT_CLIENT_SECRET</code>.</li>
<li>Fill in:</li>
</ol>
${copyRow('authorization-url', 'Authorization URL', `${publicUrl}/oauth/authorize`)}
${copyRow('token-url', 'Token URL', `${publicUrl}/oauth/token`)}
${copyRow('scope', 'Scope', scope)}
${copyRow('openapi-url', 'Schema, import from URL', `${publicUrl}/openapi.json`)}
${copyRow('privacy-url', 'Privacy policy', `${publicUrl}/privacy`)}
<ol start="3">
<li>Save. The editor now shows a callback URL: put it into the server’s <code>GPT_REDIRECT_URIS</code> and restart the server.</li>
<li>Open the GPT in a new tab and say: “Post hello to X.”</li>
</ol></details>
`;
}

function mcpClient(publicUrl: string): Html {
  return html`<details><summary>MCP client</summary>
<p>Add a remote MCP server with this address. The client finds out by itself where to sign in.</p>
${copyRow('mcp-url', 'MCP server', `${publicUrl}/mcp`)}</details>
`;
}

function script(publicUrl: string): Html {
  return html`<details><summary>Script or terminal</summary>
<p>In a clone of this server’s source, a small client signs in and posts:</p>
${copyRow('client-command', 'Command', `npm run x -- post "Hello" --wait --server ${publicUrl}`)}
<p>Any other program: <a href="/startAuth">connect an account</a>, exchange the code that is shown for tokens, and follow
<a href="/openapi.json?audience=all">the description of the API</a>.</p></details>`;
}

function copyRow(id: string, label: string, value: string): Html {
  return html`<label for="${id}">${label}</label>
<div class="copy"><input id="${id}" class="code" readonly value="${value}" spellcheck="false">
<button type="button" data-copy="${id}" data-what="${label}" aria-label="Copy: ${label}" hidden>Copy</button></div>`;
}
