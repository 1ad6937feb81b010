// Follows a post: at each event of its job the page is asked for again and its live parts are exchanged.
const shown = new Map();
for (const part of document.querySelectorAll('[data-live]')) shown.set(part.dataset.live, part.innerHTML);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let events = null;
let busy = false;
let again = false;

async function exchange() {
  const answer = await fetch(location.pathname, { headers: { accept: 'text/html' }, cache: 'no-store' });
  if (answer.status === 401 || answer.status === 404) location.reload();
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  document.title = page.title;
  for (const fresh of page.querySelectorAll('[data-live]')) {
    const part = document.querySelector(`[data-live="${fresh.dataset.live}"]`);
    if (!part || shown.get(fresh.dataset.live) === fresh.innerHTML) continue;
    shown.set(fresh.dataset.live, fresh.innerHTML);
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    part.innerHTML = fresh.innerHTML;
    showLocalTimes(part);
    // Whoever uses a keyboard stays where they were, or goes to what has become of it.
    if (focused) (focused.value && part.querySelector(`[value="${focused.value}"]`))?.focus() ?? part.focus();
  }
}

async function look() {
  again = true;
  if (busy) return;
  busy = true;
  while (again) {
    again = false;
    await exchange().catch(() => {});
    await pause(300);
  }
  busy = false;
}

function follow() {
  events = new EventSource(`${location.pathname}/events`);
  events.addEventListener('job', (event) => {
    if (JSON.parse(event.data).next_check_seconds === null) stop();
    look();
  });
}

function stop() {
  events?.close();
  events = null;
}

// A hidden page holds no connection: browsers have few of them for each server.
if (document.querySelector('[data-follow]')) {
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) stop();
    else if (!events && document.querySelector('[data-follow]')) follow();
  });
  if (!document.hidden) follow();
  // A proxy that holds events back must not leave the page as it was.
  setInterval(() => events && look(), 20_000);
}
