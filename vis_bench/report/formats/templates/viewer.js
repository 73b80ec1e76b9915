// The viewer: truth and two runs side by side, and who follows whom below.
(() => {
  const root = document.getElementById("viewer"), part = (name) => root.querySelector(`[data-part="${name}"]`);
  const index = JSON.parse(document.getElementById("viewer-index").textContent);
  const {element} = viewerTimeline, TILE_PX = 480;
  const state = {video: 0, runs: [0, -1], frame: 0, playing: 0, marked: null, loading: 0};
  let frames = [], truth = [], shown = [null, null], errors = [];

  const filters = viewerFilters(root, index, () => filtered());

  // ---- frames
  function drawPane(canvas, things, marked, shows) {
    const {width, height} = index.videos[state.video], scale = Math.max(1, Math.round(TILE_PX / width));
    const [w, h] = [width * scale, height * scale];
    [canvas.width, canvas.height] = [w, h];
    // a portrait video fits on the screen
    canvas.style.width = `min(100%, ${(75 * w) / h}vh)`;
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.drawImage(frames[state.frame], 0, 0, w, h);
    const image = context.getImageData(0, 0, w, h), pixels = image.data;
    if (part("grey").checked) {
      for (let i = 0; i < pixels.length; i += 4)
        pixels[i] = pixels[i + 1] = pixels[i + 2] = 0.299 * pixels[i] + 0.587 * pixels[i + 1] + 0.114 * pixels[i + 2];
    }
    const labels = [], boxes = [];
    // the best track comes first and is drawn last
    for (let n = things.length - 1; n >= 0; n--) {
      const shape = things[n].shapes[state.frame];
      if (shape === null || !shows(things[n])) continue;
      if (typeof shape !== "string") {
        const box = shape.map((value) => value * scale);
        boxes.push({box, colour: things[n].colour, dashed: false});
        labels.push([n + 1, box[0] + box[2] / 2, box[1] + box[3] / 2]);
        if (marked.has(n)) boxes.push({box, colour: "#fff", dashed: true});
        continue;
      }
      const bounds = tint(pixels, w, decodeMask(shape, width, height), width, height, scale, things[n].colour);
      if (bounds === null) continue;
      labels.push([n + 1, bounds.x, bounds.y]);
      if (marked.has(n)) boxes.push({box: bounds.box, colour: "#fff", dashed: true});
    }
    context.putImageData(image, 0, 0);
    for (const {box, colour, dashed} of boxes) {
      context.lineWidth = 2;
      context.setLineDash(dashed ? [6, 4] : []);
      context.strokeStyle = colour;
      context.strokeRect(...box);
    }
    // about 12 pixels on the screen, however small the canvas is shown
    const letters = Math.min(Math.max(16, (12 * w) / Math.max(canvas.clientWidth, 1)), 36), half = letters / 2;
    context.font = `bold ${letters}px system-ui, sans-serif`;
    [context.textAlign, context.textBaseline] = ["center", "middle"];
    context.setLineDash([]);
    context.lineWidth = letters / 5;
    for (const [text, x, y] of labels) {
      const [left, top] = [Math.min(Math.max(x, half), w - half), Math.min(Math.max(y, half), h - half)];
      context.strokeStyle = "#000";
      context.strokeText(text, left, top);
      context.fillStyle = "#fff";
      context.fillText(text, left, top);
    }
  }

  // Half colour inside, full colour along the edge; gives the middle of the mask and its box.
  function tint(pixels, stride, mask, width, height, scale, colour) {
    const rgb = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    let count = 0, sumX = 0, sumY = 0, low = [width, height], high = [0, 0];
    const inside = (x, y) => mask[Math.floor(y / scale) * width + Math.floor(x / scale)];
    const thick = 2;
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
      if (!mask[y * width + x]) continue;
      count++; sumX += x; sumY += y;
      low = [Math.min(low[0], x), Math.min(low[1], y)];
      high = [Math.max(high[0], x + 1), Math.max(high[1], y + 1)];
      for (let v = y * scale; v < (y + 1) * scale; v++) for (let u = x * scale; u < (x + 1) * scale; u++) {
        const edge = (u >= thick && !inside(u - thick, v)) || (u + thick < width * scale && !inside(u + thick, v))
          || (v >= thick && !inside(u, v - thick)) || (v + thick < height * scale && !inside(u, v + thick));
        const at = 4 * (v * stride + u);
        for (let c = 0; c < 3; c++) pixels[at + c] = edge ? rgb[c] : (pixels[at + c] + rgb[c]) / 2;
      }
    }
    if (!count) return null;
    const box = [low[0], low[1], high[0] - low[0], high[1] - low[1]].map((value) => value * scale);
    return {x: scale * (sumX / count + 0.5), y: scale * (sumY / count + 0.5), box};
  }

  function draw() {
    if (!frames.length) return;
    const {length} = index.videos[state.video], error = state.marked;
    part("frame").value = state.frame;
    part("count").textContent = `frame ${state.frame} of 0–${length - 1}`;
    if (index.truth)
      drawPane(part("truth"), truth, new Set(error ? error.objects : []), (object) => filters.showsClass(object.category));
    part("truth").setAttribute("aria-label", `truth, frame ${state.frame}`);
    for (const side of [0, 1]) {
      if (shown[side] === null) continue;
      const marked = new Set(error && error.side === side ? error.tracks : []);
      drawPane(part("pane-" + side), shown[side].tracks, marked, (track) => filters.shows(side, track));
      part("pane-" + side).setAttribute("aria-label", `${index.runs[state.runs[side]]}, frame ${state.frame}`);
    }
    for (const now of root.querySelectorAll(".now")) {
      now.style.left = `${(100 * state.frame) / length}%`;
      now.style.width = `${100 / length}%`;
    }
  }

  function go(frame, keepMark) {
    const last = index.videos[state.video].length - 1;
    state.frame = Math.min(Math.max(frame, 0), last);
    if (!keepMark) mark(null);
    draw();
  }

  // ---- errors
  function mark(error) {
    state.marked = error;
    for (const one of errors) one.button.removeAttribute("aria-current");
    if (error) error.button.setAttribute("aria-current", "true");
    part("said").textContent = error ? `${index.runs[state.runs[error.side]]}, ${error.text}` : "";
  }

  function jump(error) {
    stop();
    mark(error);
    go(error.start, true);
  }

  function nextError(step) {
    if (!errors.length) return;
    const sorted = [...errors].sort((a, b) => a.start - b.start || a.side - b.side);
    let place = sorted.indexOf(state.marked);
    if (place >= 0) place = (place + step + sorted.length) % sorted.length;
    else if (step > 0) place = Math.max(0, sorted.findIndex((one) => one.start >= state.frame));
    else place = (sorted.findLastIndex((one) => one.start <= state.frame) + sorted.length) % sorted.length;
    jump(sorted[place]);
    sorted[place].button.scrollIntoView({block: "nearest", inline: "nearest"});
  }

  // ---- timelines
  function buildTimelines() {
    const seen = [...part("timelines").querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    const built = [0, 1].filter((side) => shown[side]).map((side) => viewerTimeline.build({
      side, label: index.runs[state.runs[side]], length: index.videos[state.video].length, kinds: index.kinds,
      found: shown[side], truth: index.truth ? truth : null, showsClass: filters.showsClass,
      shows: (track) => filters.shows(side, track), scored: (track) => filters.scored(side, track),
      go: (frame) => { stop(); go(frame); }, jump}));
    errors = built.flatMap((one) => one.errors);
    part("timelines").replaceChildren(...built.map((one) => one.box));
    part("timelines").querySelectorAll(".scroll").forEach((box, n) => { box.scrollLeft = seen[n] || 0; });
    for (const side of [0, 1]) filters.say(side, shown[side] && shown[side].tracks);
  }

  function filtered() {
    if (!frames.length) return;
    buildTimelines();
    mark(null);
    draw();
  }

  // ---- playing
  function stop() {
    clearInterval(state.playing);
    state.playing = 0;
    part("play").textContent = "Play";
  }

  function play() {
    if (state.playing) return stop();
    const last = index.videos[state.video].length - 1;
    if (state.frame >= last) go(0);
    part("play").textContent = "Stop";
    state.playing = setInterval(() => {
      if (state.frame >= last) stop();
      else go(state.frame + 1);
    }, 1000 / Number(part("rate").value));
  }

  // ---- choosing
  async function load(sameVideo) {
    stop();
    const turn = ++state.loading; // a slower load that was started before is dropped
    try {
      const number = state.video;
      const [all, ...runs] = await Promise.all([
        unpack("viewer-truth"), ...state.runs.map((run) => (run < 0 ? null : unpack("viewer-run-" + run)))]);
      const ready = sameVideo ? frames : await pictures(number);
      if (turn !== state.loading) return;
      [frames, truth] = [ready, all[number]];
      shown = runs.map((run) => run && run[number]);
    } catch (error) {
      part("said").textContent = `The video cannot be shown. ${error.message}`;
      return;
    }
    for (const side of [0, 1]) part("name-" + side).textContent = index.runs[state.runs[side]] || "";
    part("figure-1").hidden = state.runs[1] < 0;
    part("frame").max = index.videos[state.video].length - 1;
    buildTimelines();
    go(sameVideo ? state.frame : 0);
    root.dataset.ready = "true";
    root.dataset.readyAfterSeconds ||= (performance.now() / 1000).toFixed(3); // since the page was asked for
  }

  function fill(select, names, chosen) {
    select.replaceChildren(...names.map(([value, text]) => {
      const option = element("option", "", text);
      option.value = value;
      option.selected = value === chosen;
      return option;
    }));
  }

  function chooseVideo(number) {
    state.video = Math.min(Math.max(number, 0), index.videos.length - 1);
    part("video").value = String(state.video);
    load(false);
  }

  const most = index.videos.reduce((best, video, n) => (video.errors > index.videos[best].errors ? n : best), 0);
  const runs = index.runs.map((label, n) => [String(n), label]);
  state.runs[1] = runs.length > 1 ? 1 : -1;
  const about = (video) => `${index.truth ? `${video.errors} errors, ` : ""}${video.length} frames`;
  part("figure-truth").hidden = !index.truth;
  for (const name of ["previous-error", "next-error"]) part(name).hidden = !index.truth;
  fill(part("video"), index.videos.map((video, n) => [String(n), `${video.name} (${about(video)})`]), String(most));
  fill(part("run-0"), runs, "0");
  fill(part("run-1"), [["-1", "none"], ...runs], String(state.runs[1]));
  part("video").addEventListener("change", (event) => chooseVideo(Number(event.target.value)));
  for (const side of [0, 1]) part("run-" + side).addEventListener("change", (event) => {
    state.runs[side] = Number(event.target.value);
    filters.choose(side, state.runs[side]);
    load(true);
  });
  part("frame").addEventListener("input", (event) => { stop(); go(Number(event.target.value)); });
  part("play").addEventListener("click", play);
  part("previous-error").addEventListener("click", () => nextError(-1));
  part("next-error").addEventListener("click", () => nextError(1));
  part("grey").addEventListener("change", draw);
  part("rate").addEventListener("change", () => { if (state.playing) { stop(); play(); } });

  root.addEventListener("keydown", (event) => {
    const tag = event.target.tagName;
    if (event.ctrlKey || event.metaKey || event.altKey || tag === "SELECT") return;
    // a button is pressed with space, a slider moves with arrows, both without help
    if (event.key === " " && (["BUTTON", "SUMMARY"].includes(tag) || event.target.type === "checkbox")) return;
    if (event.target.type === "range" && event.key !== " " && !/^[np\[\]]$/.test(event.key)) return;
    const actions = {
      " ": play, ArrowLeft: () => { stop(); go(state.frame - 1); }, ArrowRight: () => { stop(); go(state.frame + 1); },
      Home: () => { stop(); go(0); }, End: () => { stop(); go(index.videos[state.video].length - 1); },
      n: () => nextError(1), p: () => nextError(-1),
      "]": () => chooseVideo(state.video + 1), "[": () => chooseVideo(state.video - 1),
    };
    if (!(event.key in actions)) return;
    event.preventDefault();
    actions[event.key]();
  });
  for (const side of [0, 1]) filters.choose(side, state.runs[side]);
  chooseVideo(most);
})();
