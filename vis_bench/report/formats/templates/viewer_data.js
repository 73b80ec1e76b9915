// What the page holds for the viewer: packed texts, unpacked when they are needed, and masks.
const unpacked = new Map();
async function unpack(id) {
  if (!unpacked.has(id)) unpacked.set(id, inflate(document.getElementById(id).textContent.trim()));
  return unpacked.get(id);
}
async function inflate(text) {
  if (!("DecompressionStream" in window)) throw new Error("This browser cannot unpack the videos (no DecompressionStream).");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}
// The pictures of a video, all of them ready to be drawn.
async function pictures(number) {
  const lines = document.getElementById("viewer-frames-" + number).textContent.trim().split("\n");
  return Promise.all(lines.map(async (line) => {
    const image = new Image();
    image.src = "data:image/jpeg;base64," + line;
    await image.decode();
    return image;
  }));
}
// COCO's compressed counts: numbers in groups of five bits, from the third run on as differences to the run before
// the last one; runs alternate between outside and inside and go down the columns.
function decodeMask(counts, width, height) {
  const runs = [];
  for (let place = 0; place < counts.length;) {
    let value = 0, shift = 0, more = true;
    while (more) {
      const group = counts.charCodeAt(place++) - 48;
      value |= (group & 31) << shift;
      shift += 5;
      more = (group & 32) !== 0;
      if (!more && (group & 16)) value |= -1 << shift;
    }
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  const mask = new Uint8Array(width * height);
  let at = 0, inside = 0;
  for (const run of runs) {
    if (inside) for (let i = at; i < at + run; i++) mask[(i % height) * width + Math.floor(i / height)] = 1;
    at += run;
    inside = 1 - inside;
  }
  return mask;
}
