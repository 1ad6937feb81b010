/** The looks of every page: the colours follow the reader's system. */
export const style = `:root { color-scheme: light dark; --line: #d7dde2; --quiet: #5b6770; --ground: #f4f6f8; --card: #fff; --accent: #0b66c3; --on-accent: #fff; }
@media (prefers-color-scheme: dark) { :root { --line: #303840; --quiet: #98a4ae; --ground: #0c0f12; --card: #161b20; --accent: #6cb4ff; --on-accent: #04121f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 40rem; padding: 1rem .75rem 4rem; background: var(--ground); font: 1rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.35rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { margin: .25rem 0; }
a, .link { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
code { font-size: .8em; color: var(--quiet); }
.bar { display: flex; justify-content: space-between; align-items: center; margin-bottom: .75rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .9rem; padding: .9rem 1rem; margin: 0 0 .75rem; }
.quiet { color: var(--quiet); }
.small { font-size: .8rem; }
.empty { text-align: center; padding: 3rem 1rem; color: var(--quiet); }
.badge { display: inline-block; margin: 0; padding: .1rem .5rem; border: 1px solid var(--line); border-radius: 1rem; font-size: .75rem; color: var(--quiet); }
.tweet { display: flex; gap: .75rem; }
.tweet:target { outline: 2px solid var(--accent); }
.content { flex: 1; min-width: 0; }
.text { white-space: pre-wrap; }
.avatar { flex: none; width: 2.5rem; height: 2.5rem; border-radius: 50%; display: grid; place-items: center; background: var(--accent); color: var(--on-accent); font-weight: 700; }
.media { display: grid; gap: 3px; margin: .6rem 0; border-radius: .9rem; overflow: hidden; border: 1px solid var(--line); }
.media-2, .media-3, .media-4 { grid-template-columns: 1fr 1fr; grid-auto-rows: minmax(0, 1fr); aspect-ratio: 16 / 10; }
.media-3 > :first-child { grid-row: span 2; }
.media img, .media video { display: block; width: 100%; height: 100%; min-height: 0; object-fit: cover; background: #000; }
.media-1 img, .media-1 video { object-fit: contain; height: auto; max-height: 32rem; }
.poll { list-style: none; padding: 0; margin: .6rem 0 .25rem; }
.poll li { border: 1px solid var(--line); border-radius: .5rem; padding: .4rem .75rem; margin-bottom: .35rem; }
blockquote { border-left: 3px solid var(--line); margin: .5rem 0; padding-left: .75rem; }
.consent { padding: 1.5rem 1.25rem; }
.consent h1 { margin: .75rem 0 .5rem; }
q { quotes: none; }
fieldset { border: 0; padding: 0; margin: 1rem 0 0; }
legend { font-weight: 600; padding: 0; margin-bottom: .35rem; }
ul { padding-left: 1.2rem; margin: .25rem 0; }
.person { display: flex; align-items: center; gap: .75rem; padding: .6rem .75rem; border: 1px solid var(--line); border-radius: .75rem; margin-bottom: .5rem; cursor: pointer; }
.person:has(:checked) { border-color: var(--accent); }
input[type=radio] { accent-color: var(--accent); }
.actions { display: flex; gap: .75rem; margin-top: 1.5rem; }
button { flex: 1; font: inherit; font-weight: 600; padding: .7rem 1rem; border-radius: 2rem; border: 1px solid var(--line); background: transparent; color: inherit; cursor: pointer; }
button.primary { background: var(--accent); color: var(--on-accent); border-color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`;

/** Fetches the page anew when something changed, at most once per animation frame of the reader's screen. */
export const liveScript = `const events = new EventSource('/_simulator/events');
let pending = false;
const refresh = async () => {
  pending = false;
  const page = new DOMParser().parseFromString(await (await fetch('/')).text(), 'text/html');
  const [main, fresh] = [document.querySelector('main'), page.querySelector('main')];
  for (const old of [...main.children]) if (!old.id || !fresh.querySelector('#' + old.id)) old.remove();
  let before = null;
  for (const element of [...fresh.children]) {
    const known = element.id && document.getElementById(element.id);
    const next = before ? before.nextSibling : main.firstChild;
    before = known || element;
    if (next !== before) main.insertBefore(before, next);
  }
};
events.onmessage = () => {
  if (pending) return;
  pending = true;
  requestAnimationFrame(refresh);
};
events.onopen = events.onmessage;
`;
