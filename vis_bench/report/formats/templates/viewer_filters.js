// Which tracks the viewer shows: for each side those above a least score, and of both sides some classes.
// changed: called when the reader has chosen anew.
const viewerFilters = (root, index, changed) => {
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const boxes = new Map(), least = [index.usual, index.usual], points = [[], []];

  // a run is first shown at its operating point, of two halves of the videos at the lower one
  function choose(side, run) {
    points[side] = run < 0 ? [] : index.points[run];
    least[side] = Math.max(index.least, points[side].length ? Math.min(...points[side]) : index.usual);
    const slider = part("score-" + side);
    [slider.value, slider.disabled] = [least[side], run < 0];
    part("points-" + side).replaceChildren(...points[side].map((point) => {
      const tick = document.createElement("option");
      tick.value = point;
      return tick;
    }));
  }

  const scored = (side, track) => track.score > least[side];
  const shows = (side, track) => scored(side, track) && showsClass(track.category);
  const showsClass = (name) => !boxes.has(name) || boxes.get(name).checked;

  // beside the slider: the score, what it is, and how many tracks of the video are left
  function say(side, tracks) {
    const place = points[side].includes(least[side]) ? ", the operating point" + (points[side].length > 1 ? " of half the videos" : "") : "";
    const text = `above ${least[side].toFixed(2)}${place}`;
    part("score-" + side).setAttribute("aria-valuetext", text);
    part("scored-" + side).textContent = tracks
      ? `${text}: ${tracks.filter((track) => shows(side, track)).length} of ${tracks.length} tracks` : "";
  }

  function sayClasses() {
    const chosen = [...boxes.values()].filter((box) => box.checked).length;
    part("classes-said").textContent = `classes: ${chosen === boxes.size ? "all" : `${chosen} of`} ${boxes.size}`;
  }

  function tick(chosen) {
    for (const box of boxes.values()) box.checked = chosen;
    sayClasses();
    changed();
  }

  for (const side of [0, 1]) {
    part("score-" + side).min = index.least;
    part("score-" + side).addEventListener("input", (event) => {
      least[side] = Number(event.target.value);
      changed();
    });
  }
  part("classes").hidden = index.classes.length < 2;
  for (const name of index.classes) {
    const label = document.createElement("label"), box = document.createElement("input");
    [box.type, box.checked, box.value] = ["checkbox", true, name];
    label.append(box, name);
    part("class-boxes").append(label);
    boxes.set(name, box);
    box.addEventListener("change", () => { sayClasses(); changed(); });
  }
  part("all-classes").addEventListener("click", () => tick(true));
  part("no-classes").addEventListener("click", () => tick(false));
  sayClasses();
  return {choose, scored, shows, showsClass, say};
};
