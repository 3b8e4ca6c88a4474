// One extension's page opens the record of each call once, in a tab of its own, while its own tab is hidden as well. What
// was opened is remembered until the tab is closed, so that nothing opens again when the page is loaded anew.
(() => {
  "use strict";
  const KEY = "infocaller-opened", MOST = 200;
  const opened = () => { try { return JSON.parse(sessionStorage.getItem(KEY)) || []; } catch { return []; } };

  const pop = () => {
    for (const link of document.querySelectorAll("a[data-open]")) {
      const calls = opened();
      if (calls.includes(link.dataset.open) || !/^https?:$/.test(link.protocol)) continue;
      sessionStorage.setItem(KEY, JSON.stringify([...calls, link.dataset.open].slice(-MOST)));
      const tab = window.open("about:blank", "_blank");
      if (!tab) { document.getElementById("pop-blocked").hidden = false; continue; }
      tab.opener = null;
      tab.location.replace(link.href);
    }
  };

  document.addEventListener("console:fresh", pop);
  pop();
  // A hidden tab's own timers are slowed down to one a minute; a worker's are not.
  const clock = new Worker(document.querySelector("[data-pop]").dataset.pop);
  clock.onmessage = () => { if (document.hidden) document.dispatchEvent(new CustomEvent("console:look")); };
})();
