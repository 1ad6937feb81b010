for (const button of document.querySelectorAll('[data-copy]')) {
  const field = document.getElementById(button.dataset.copy);
  field.addEventListener('focus', () => field.select());
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = 'Copied';
      document.getElementById('copied').textContent = `${button.dataset.what} copied`;
      setTimeout(() => {
        button.textContent = 'Copy';
      }, 2000);
    } catch {
      field.focus();
    }
  });
}
// One click, one post; the form's own id keeps a second one from posting again even without this.
document.querySelector('form#compose')?.addEventListener('submit', (event) => {
  const button = event.target.querySelector('button');
  setTimeout(() => {
    button.disabled = true;
    button.textContent = 'Sending …';
  });
});
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});
