// Topic buttons of the gallery: show only the cards of the chosen topic.
document.addEventListener("DOMContentLoaded", () => {
  const filter = document.querySelector(".topic-filter");
  if (!filter) return;
  const buttons = [...filter.querySelectorAll("button")];
  const cards = [...document.querySelectorAll("[class*='topic-']:not(.topic-filter)")];
  filter.hidden = false;
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const chosen = button.getAttribute("aria-pressed") === "true" ? null : button;
      for (const b of buttons) b.setAttribute("aria-pressed", String(b === chosen));
      for (const card of cards)
        card.classList.toggle("other-topic", chosen && !card.classList.contains(chosen.dataset.topic));
    });
  }
});
