/* theme.js - the chosen colours, before anything is drawn; not a module for that reason. */
try {
  const theme = localStorage.getItem("hone.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* no store: the system's colours */ }
