// The rows below the frames: who follows whom, and the errors. Nothing here knows what is chosen elsewhere.
const viewerTimeline = (() => {
  const LETTERS = {identity_change: "C", identity_switch: "S", lost: "L", merged: "M", duplicate: "D",
    late_birth: "B", early_death: "E", missed: "X"};
  const LEAST_FRAME_PX = 15, NAMES_PX = 90, ROW_REM = 1.55, MARK_REM = 1.35;

  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const words = (kind) => kind.replace("_", " ");
  const list = (name, numbers) => numbers.length
    ? `${name}${numbers.length > 1 ? "s" : ""} ${numbers.map((n) => n + 1).join(", ")}` : "";

  // black or white, whichever is read better on a colour (relative luminance of WCAG)
  function inkOn(colour) {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
  }

  // one: {side, label, length, kinds, found, truth (null for none), shows(track), scored(track), showsClass(name),
  // go(frame), jump(error)}; gives the box and the errors that it shows, each with its button
  function build(one) {
    const {side, length, found, truth} = one;
    const box = element("div", "timeline"), scroll = element("div", "scroll"), grid = element("div", "grid");
    grid.style.minWidth = `${length * LEAST_FRAME_PX + NAMES_PX}px`;
    const counts = {}, errors = [];
    const all = found.errors.map(([kindNumber, start, count, objects, tracks]) => {
      const kind = one.kinds[kindNumber];
      const when = count > 1 ? `frames ${start}–${start + count - 1}` : `frame ${start}`;
      const text = [`${words(kind)}, ${when}`, list("object", objects), list("track", tracks)].filter(Boolean).join(": ");
      return {side, kind, start, count, objects, tracks, text};
    });
    // an error is shown with its objects, and with all of its tracks above the least score
    const own = all.filter((error) => error.tracks.every((n) => one.scored(found.tracks[n]))
      && error.objects.some((n) => one.showsClass(truth[n].category)));
    for (const error of own) counts[error.kind] = (counts[error.kind] || 0) + error.count;
    if (!truth) {
      found.tracks.forEach((track, n) => {
        if (one.shows(track)) grid.append(name(track, n, "track", `, score ${track.score}`), trackRow(one, track));
      });
    }
    (truth || []).forEach((object, n) => {
      if (!one.showsClass(object.category)) return;
      const marks = own.filter((error) => error.objects[0] === n
        || (error.kind === "identity_switch" && error.objects.includes(n)));
      grid.append(name(object, n, "object", ""), objectRow(one, n, marks, errors));
    });
    const said = Object.entries(counts).map(([kind, count]) => `${LETTERS[kind]} ${words(kind)}: ${count}`);
    if (!said.length) said.push(truth ? "no errors in time" : `${found.tracks.filter(one.shows).length} tracks`);
    const hidden = all.filter((error) => !own.includes(error)).reduce((sum, error) => sum + error.count, 0);
    if (hidden) said.push(`${hidden} hidden by score or class`);
    scroll.append(grid);
    box.append(element("h3", "", one.label), element("p", "kinds", said.join(", ")), scroll);
    return {box, errors};
  }

  function name(thing, n, what, rest) {
    const made = element("div", "name"), swatch = element("i");
    swatch.style.background = thing.colour;
    made.append(swatch, `${n + 1} ${thing.category}`);
    made.title = `${what} ${n + 1}, ${thing.category}${rest}`;
    return made;
  }

  function bar(start, stop, length, track, text) {
    const span = element("div", track ? "span" : "span none", text);
    span.style.left = `${(100 * start) / length}%`;
    span.style.width = `${(100 * (stop - start)) / length}%`;
    if (track) [span.style.background, span.style.color] = [track.colour, inkOn(track.colour)];
    return span;
  }

  function emptyRow(one, lines) {
    const row = element("div", "row");
    row.style.height = `${ROW_REM + MARK_REM * lines}rem`;
    row.addEventListener("click", (event) => {
      if (event.target.closest("button")) return;
      const {left, width} = row.getBoundingClientRect();
      one.go(Math.floor((one.length * (event.clientX - left)) / width));
    });
    return row;
  }

  // without truth: a bar where the track is
  function trackRow(one, track) {
    const row = emptyRow(one, 0), {length} = one;
    for (let start = 0; start < length; start++) {
      if (track.shapes[start] === null) continue;
      let stop = start;
      while (stop < length && track.shapes[stop] !== null) stop++;
      row.append(bar(start, stop, length, track, String(track.score)));
      start = stop;
    }
    row.append(element("div", "now"));
    return row;
  }

  function objectRow(one, n, marks, errors) {
    const ends = [], lines = []; // the frame in which each line of marks is free again; the line of each mark
    for (const error of marks) {
      let line = ends.findIndex((end) => end <= error.start);
      if (line < 0) line = ends.push(0) - 1;
      ends[line] = error.start + error.count;
      lines.push(line);
    }
    const row = emptyRow(one, ends.length);
    for (const [start, stop, place] of one.found.objects[n]) {
      const track = place < 0 ? null : one.found.tracks[place], hidden = track && !one.shows(track);
      const span = bar(start, stop, one.length, hidden ? null : track, track ? String(place + 1) : "");
      span.classList.toggle("off", Boolean(hidden));
      span.title = track ? `track ${place + 1}, ${track.category}, score ${track.score}${hidden ? ", hidden" : ""}` : "no track";
      row.append(span);
    }
    marks.forEach((error, m) => {
      const button = element("button", "error", LETTERS[error.kind]);
      button.type = "button";
      button.dataset.kind = error.kind;
      button.dataset.frame = error.start;
      button.title = error.text;
      button.setAttribute("aria-label", error.text);
      button.style.left = `${(100 * error.start) / one.length}%`;
      button.style.width = `${(100 * error.count) / one.length}%`;
      button.style.top = `${ROW_REM - 0.05 + MARK_REM * lines[m]}rem`;
      // an exchange stands in the rows of both objects; its first mark is the one that is counted
      const known = errors.find((other) => other.source === error);
      const entry = known || {...error, source: error, button};
      if (!known) errors.push(entry);
      button.addEventListener("click", () => one.jump(entry));
      row.append(button);
    });
    row.append(element("div", "now"));
    return row;
  }

  return {build, element};
})();
