import type { AuthorizationRequest } from './authorize.ts';
import { html, renderPage } from './html.ts';
import type { User } from './settings.ts';

const meanings: Readonly<Record<string, string>> = {
  'tweet.read': 'See posts that you can see',
  'tweet.write': 'Post and delete posts for you',
  'users.read': 'See your profile',
  'media.write': 'Upload media such as photos and videos for you',
  'offline.access': 'Stay connected until you revoke its access',
};

/** The page that asks a person who to be, and whether the app may act for them. */
export function renderConsent(
  request: AuthorizationRequest,
  query: URLSearchParams,
  users: readonly User[],
): string {
  const origin = new URL(request.redirectUri).origin;
  return renderPage(
    'Authorize app · X simulator',
    html`<main class="card consent">
<p class="badge">X simulator</p>
<h1><q>${request.clientId}</q> wants to access an X account</h1>
<p class="quiet">Nothing here is the real X. Afterwards you return to <b>${origin}</b>.</p>
<form method="post" action="/i/oauth2/authorize">
${[...query].map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">\n`)}
<fieldset><legend>Which account?</legend>
${users.map(
  (user, index) => html`<label class="person">
<input type="radio" name="user_id" value="${user.id}"${index === 0 ? html` checked` : null}>
<span class="avatar" aria-hidden="true">${[...user.name][0] ?? '?'}</span>
<span><b>${user.name}</b><br><span class="quiet">@${user.username}</span></span>
</label>`,
)}
</fieldset>
<h2>The app could</h2>
<ul>${request.scope.map((scope) => html`<li>${meanings[scope] ?? scope} <code>${scope}</code></li>`)}</ul>
<div class="actions">
<button class="primary" name="decision" value="allow">Authorize app</button>
<button name="decision" value="deny">Cancel</button>
</div>
</form>
</main>`,
  );
}

/** What X shows where it would be wrong to redirect. */
export function renderRefusal(reason: string): string {
  return renderPage(
    'Something went wrong · X simulator',
    html`<main class="card consent">
<p class="badge">X simulator</p>
<h1>Something went wrong</h1>
<p>You weren’t able to give access to the app. Go back and try logging in again.</p>
<p class="quiet">The real X stops at that sentence; the simulator adds why: ${reason}</p>
</main>`,
  );
}
