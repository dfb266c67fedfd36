// Loaded before the page is drawn, so that nobody sees the other colours first.
document.documentElement.dataset.script = "on";
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* A browser that keeps nothing has the colours of its system. */ }
