// Compares a file that stays on the device with the digest on the page.
const form = document.getElementById("choose");
const verdict = document.getElementById("verdict");
const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

// WebCrypto is there on https and on this machine only.
if (globalThis.crypto?.subtle) {
  form.hidden = false;
  document.getElementById("file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    verdict.textContent = "Computing …";
    try {
      const digest = hex(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
      verdict.textContent =
        digest === form.dataset.sha256
          ? `✓ ${file.name} is the file that was registered.`
          : `✗ ${file.name} is another file: its SHA-256 is ${digest}.`;
    } catch {
      verdict.textContent = "The file cannot be read here. Use sha256sum.";
    }
  });
}
