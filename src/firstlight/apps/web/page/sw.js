// The service worker of the static folder: keeps every file at the first visit, and answers from what it kept.
// Above it, the export puts FILES: the name of each file -> its SHA-256 as "sha256-...", by which it is kept, so that
// an update fetches what changed, and a page that is open goes on with the files that it began with.

const kept = `firstlight ${registration.scope}`;
const key = (name) => new URL(`${name}?${FILES[name]}`, registration.scope).href;

/** A file of just this version, from the browser's own cache where it is there. */
function fetched(name) {
  if (name === "index.html") return fetch(registration.scope, { cache: "reload" }); // some hosts write a line into it
  const address = new URL(name, registration.scope);
  const integrity = FILES[name];
  return fetch(address, { integrity }).catch(() => fetch(address, { integrity, cache: "reload" }));
}

async function keep(cache, name) {
  if (await cache.match(key(name))) return;
  const response = await fetched(name);
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  const headers = { "content-type": response.headers.get("content-type") ?? "" };
  await cache.put(key(name), new Response(await response.blob(), { headers }));
}

async function install() {
  const cache = await caches.open(kept);
  await Promise.all(Object.keys(FILES).map((name) => keep(cache, name)));
}

async function tidy() {
  const wanted = new Set(Object.keys(FILES).map(key));
  const cache = await caches.open(kept);
  const old = (await cache.keys()).filter(({ url }) => !wanted.has(url));
  await Promise.all(old.map((request) => cache.delete(request)));
  await clients.claim();
}

async function answer(request, name) {
  const found = await (await caches.open(kept)).match(key(name));
  return found ?? fetch(request); // the browser may throw a cache away
}

addEventListener("install", (event) => event.waitUntil(install()));
addEventListener("activate", (event) => event.waitUntil(tidy()));
addEventListener("fetch", (event) => {
  const { origin, pathname } = new URL(event.request.url);
  const address = origin + pathname;
  if (event.request.method !== "GET" || !address.startsWith(registration.scope)) return;
  const name = address.slice(registration.scope.length) || "index.html";
  if (Object.hasOwn(FILES, name)) event.respondWith(answer(event.request, name));
});
