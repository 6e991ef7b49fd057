// Search field and buttons of gallery and ledger: show only what fits. No page needs them to be read.
document.addEventListener("DOMContentLoaded", () => {
  const filter = document.querySelector("form.filter");
  if (!filter) return;
  const items = [...document.querySelectorAll(filter.dataset.items)];
  // A section of the page, if it holds items, is shown as long as one of them is.
  const sections = [...new Set(items.map((item) => item.closest("section")))];
  const buttons = [...filter.querySelectorAll("button")];
  const field = filter.querySelector("input");
  const told = filter.querySelector("[role=status]");

  const update = () => {
    const chosen = buttons.find((button) => button.getAttribute("aria-pressed") === "true");
    const words = field.value.toLowerCase().split(/\s+/);
    for (const item of items) {
      const text = item.textContent.toLowerCase();
      const fits = !chosen || item.matches(chosen.value) || item.querySelector(chosen.value);
      item.classList.toggle("filtered-out", !fits || !words.every((word) => text.includes(word)));
    }
    const left = items.filter((item) => !item.classList.contains("filtered-out"));
    for (const section of sections)
      section.classList.toggle("filtered-out", !left.some((item) => section.contains(item)));
    told.textContent = `${left.length} of ${items.length} ${filter.dataset.kind}`;
  };
  for (const button of buttons)
    button.addEventListener("click", () => {
      const press = button.getAttribute("aria-pressed") !== "true";
      for (const other of buttons) other.setAttribute("aria-pressed", String(press && other === button));
      update();
    });
  field.addEventListener("input", update);
  filter.addEventListener("submit", (event) => event.preventDefault());
  filter.hidden = false;
  update();
});
