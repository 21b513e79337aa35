(() => {
  const form = document.getElementById('find');
  const body = document.querySelector('.overview tbody');
  if (!form || !body) return;
  const size = 50;
  const all = [...body.rows];
  const details = [...document.querySelectorAll('.account')];
  const search = form.querySelector('input');
  const filter = form.querySelector('select');
  const [back, on] = form.querySelectorAll('button');
  const count = form.querySelector('output');
  const heads = [...document.querySelectorAll('.overview thead button')];
  const collator = new Intl.Collator('en', {numeric: true});
  let page = 0;
  let by = null;
  let falling = false;
  const fits = (row, text, kind) => {
    const d = row.dataset;
    if (!d.key.includes(text)) return false;
    return kind === 'all' || d.tone === kind || kind === 'awaiting' && d.awaiting !== '0' || kind === 'incidents' && d.incidents > 0;
  };
  const draw = () => {
    const text = search.value.trim().toLowerCase();
    const rows = all.filter(row => fits(row, text, filter.value));
    if (by) rows.sort((a, b) => (falling ? -1 : 1) * collator.compare(a.dataset[by], b.dataset[by]) || a.dataset.i - b.dataset.i);
    const pages = Math.max(1, Math.ceil(rows.length / size));
    page = Math.min(Math.max(page, 0), pages - 1);
    const first = page * size;
    const shown = rows.slice(first, first + size);
    body.replaceChildren(...shown);
    const visible = new Set(shown.map(row => row.dataset.i));
    details.forEach(d => { d.hidden = !visible.has(d.dataset.i); });
    count.textContent = rows.length ? `${first + 1}–${first + shown.length} of ${rows.length} account${rows.length === 1 ? '' : 's'}` : 'No account matches.';
    back.disabled = page === 0;
    on.disabled = page === pages - 1;
    heads.forEach(h => h.parentElement.setAttribute('aria-sort', h.dataset.by !== by ? 'none' : falling ? 'descending' : 'ascending'));
  };
  const from = step => () => { page = step(page); draw(); };
  search.addEventListener('input', from(() => 0));
  filter.addEventListener('change', from(() => 0));
  back.addEventListener('click', from(n => n - 1));
  on.addEventListener('click', from(n => n + 1));
  form.addEventListener('submit', event => event.preventDefault());
  heads.forEach(h => {
    h.disabled = false;
    h.addEventListener('click', () => {
      const numbers = h.dataset.by !== 'key' && h.dataset.by !== 'status';
      if (by === h.dataset.by) falling = !falling;
      else [by, falling] = [h.dataset.by, numbers];
      page = 0;
      draw();
    });
  });
  const account = document.getElementById('account');
  if (account) {
    account.addEventListener('change', () => {
      document.querySelectorAll('.finding').forEach(row => { row.hidden = account.value !== 'all' && !row.classList.contains('acc-' + account.value); });
    });
  }
  form.hidden = false;
  draw();
})();
