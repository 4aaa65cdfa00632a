/* Moving picture of one crystal's modes: a canvas, no library. Needs the data of mode_view.py. */
(function () {
  'use strict';
  const holder = document.getElementById('mode-view');
  const canvas = holder && holder.querySelector('canvas');
  const pen = canvas && canvas.getContext && canvas.getContext('2d');
  if (!pen) { return; }
  const data = JSON.parse(document.getElementById('mode-view-data').textContent);
  const find = (name) => holder.querySelector('[data-part="' + name + '"]');
  const still = window.matchMedia('(prefers-reduced-motion: reduce)');
  const PERIOD = 1600;  // ms, for every mode
  const BURIED = 0.8;  // a bond starts at this share of the ball's radius, inside it
  const EDGE = 'rgba(40, 40, 40, 0.8)';
  const ARROW = 1.9;  // Å for the largest displacement
  const state = {
    mode: data.default, at: 0, phase: 0, amplitude: 0.35, arrows: true,
    playing: !still.matches, seen: true, turn: data.turn,
  };
  let scene = null;
  let size = { width: 0, height: 0, ratio: 1 };
  let last = null;

  /* geometry: rows of `turn` are the screen's right, up and towards the eye */
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const onScreen = (v) => state.turn.map((row) => dot(row, v));
  function rotate(right, up) {
    const [c, s, d, t] = [Math.cos(right), Math.sin(right), Math.cos(up), Math.sin(up)];
    const [x, y, z] = state.turn;
    const mix = (a, p, b, q) => a.map((value, i) => p * value + q * b[i]);
    const depth = mix(z, c, x, -s);
    state.turn = [mix(x, c, z, s), mix(y, d, depth, -t), mix(depth, d, y, t)];
  }
  function lookAlong(axis) {
    const cell = data.pressures[state.at].cell;
    const norm = (v) => v.map((value) => value / Math.hypot(...v));
    const cross = (a, b) => [
      a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    const eye = norm(cell[axis]);
    const side = cell[(axis + 1) % 3];
    const right = norm(side.map((value, i) => value - dot(side, eye) * eye[i]));
    state.turn = [right, cross(eye, right), eye];
  }

  function build() {
    const place = data.pressures[state.at];
    const shift = (n) => [0, 1, 2].map((i) =>
      n[0] * place.cell[0][i] + n[1] * place.cell[1][i] + n[2] * place.cell[2][i]);
    const vectors = data.modes[state.mode].vectors[state.at];
    const balls = data.drawn.map(([atom, i, j, k]) => {
      const origin = shift([i, j, k]);
      return {
        look: data.elements[data.symbols[atom]], symbol: data.symbols[atom],
        at: place.positions[atom].map((value, n) => value + origin[n]),
        move: [0, 1, 2].map((n) => vectors[3 * atom + n] / 1000),
      };
    });
    const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => shift([n & 1, (n >> 1) & 1, (n >> 2) & 1]));
    const all = corners.concat(balls.map((ball) => ball.at));
    const middle = [0, 1, 2].map((i) => {
      const values = all.map((v) => v[i]);
      return (Math.min(...values) + Math.max(...values)) / 2;
    });
    all.forEach((v) => middle.forEach((value, i) => { v[i] -= value; }));
    const reach = Math.max(
      ...corners.map((v) => Math.hypot(...v)),
      ...balls.map((ball) => Math.hypot(...ball.at) + ball.look.radius));
    scene = { balls, corners, reach };
  }

  /* one picture of a ball for each element */
  const pictures = {};
  function picture(symbol) {
    if (!pictures[symbol]) {
      const image = document.createElement('canvas');
      image.width = image.height = 96;
      const brush = image.getContext('2d');
      const light = brush.createRadialGradient(36, 32, 4, 48, 48, 48);
      light.addColorStop(0, '#ffffff');
      light.addColorStop(0.35, data.elements[symbol].color);
      light.addColorStop(1, data.elements[symbol].color);
      brush.fillStyle = light;
      brush.beginPath();
      brush.arc(48, 48, 48, 0, 2 * Math.PI);
      brush.fill();
      pictures[symbol] = image;
    }
    return pictures[symbol];
  }

  function draw() {
    const { width, height, ratio } = size;
    if (!width) { return; }
    const ink = getComputedStyle(holder);
    const zoom = 0.94 * Math.min(width, height) / 2 / scene.reach;
    const flat = (v) => { const s = onScreen(v); return [width / 2 + zoom * s[0], height / 2 - zoom * s[1], s[2]]; };
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    drawCell(flat, ink);
    const swing = state.amplitude * Math.cos(2 * Math.PI * state.phase);
    const places = scene.balls.map((ball) => ball.at.map((v, i) => v + swing * ball.move[i]));
    const spots = places.map(flat);
    const things = spots.map((spot, i) => ({ depth: spot[2], ball: i }));
    data.bonds.forEach((pair) => pair.forEach((one, end) => {
      const along = places[pair[1 - end]].map((v, i) => v - places[one][i]);
      const start = BURIED * scene.balls[one].look.radius / Math.hypot(...along);
      const [from, to] = [start, 0.5].map((share) => flat(places[one].map((v, i) => v + share * along[i])));
      things.push({ depth: (from[2] + to[2]) / 2, from, to, ball: one, bond: true });
    }));
    things.sort((one, other) => one.depth - other.depth);
    things.forEach((thing) => {
      const ball = scene.balls[thing.ball];
      if (thing.bond) {
        stroke(thing.from, thing.to, EDGE, Math.max(3, 0.17 * zoom));
        stroke(thing.from, thing.to, ball.look.color, Math.max(2, 0.17 * zoom - 1.5));
      } else {
        const radius = Math.max(3, ball.look.radius * zoom);
        const [x, y] = spots[thing.ball];
        pen.drawImage(picture(ball.symbol), x - radius, y - radius, 2 * radius, 2 * radius);
        pen.strokeStyle = EDGE;
        pen.lineWidth = 1;
        pen.beginPath();
        pen.arc(x, y, radius, 0, 2 * Math.PI);
        pen.stroke();
      }
    });
    drawNames(flat, ink, zoom);
    if (state.arrows) { scene.balls.forEach((ball) => drawArrow(ball, flat, ink, zoom)); }
    holder.dataset.phase = state.phase.toFixed(3);
  }
  function stroke(from, to, color, wide) {
    pen.strokeStyle = color;
    pen.lineWidth = wide;
    pen.beginPath();
    pen.moveTo(from[0], from[1]);
    pen.lineTo(to[0], to[1]);
    pen.stroke();
  }
  function drawCell(flat, ink) {
    const spots = scene.corners.map(flat);
    for (let one = 0; one < 8; one += 1) {
      for (let bit = 1; bit < 8; bit *= 2) {
        if (!(one & bit)) { stroke(spots[one], spots[one | bit], ink.getPropertyValue('--soft'), 1); }
      }
    }
  }
  function drawNames(flat, ink, zoom) {
    const spots = scene.corners.map(flat);
    const away = 9 + zoom * Math.max(...scene.balls.map((ball) => ball.look.radius));
    pen.fillStyle = ink.getPropertyValue('--ink');
    pen.font = 'italic 15px ' + ink.fontFamily;
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    ['a', 'b', 'c'].forEach((name, axis) => {
      const [o, e] = [spots[0], spots[1 << axis]];
      const long = Math.hypot(e[0] - o[0], e[1] - o[1]);
      if (long > 12) {
        pen.fillText(name, e[0] + away * (e[0] - o[0]) / long, e[1] + away * (e[1] - o[1]) / long);
      }
    });
  }
  function drawArrow(ball, flat, ink, zoom) {
    const long = Math.hypot(...ball.move);
    if (long < 0.06) { return; }
    const start = flat(ball.at);
    const end = flat(ball.at.map((value, i) => value + ARROW * ball.move[i]));
    const [x, y] = [end[0] - start[0], end[1] - start[1]];
    const drawn = Math.hypot(x, y);
    if (drawn < 4) { return; }
    const wide = Math.min(2.6, Math.max(1.2, 0.06 * zoom));
    const head = Math.min(4 * wide, 0.5 * drawn);
    const [u, v] = [x / drawn, y / drawn];
    const red = data.modes[state.mode].direction === 'red' || data.modes[state.mode].direction === 'unstable';
    const color = ink.getPropertyValue(red ? '--fail' : '--blue');
    const neck = [end[0] - head * u, end[1] - head * v];
    stroke(start, neck, '#fff', wide + 2);
    stroke(start, neck, color, wide);
    pen.fillStyle = color;
    pen.beginPath();
    pen.moveTo(end[0], end[1]);
    pen.lineTo(neck[0] - 0.5 * head * v, neck[1] + 0.5 * head * u);
    pen.lineTo(neck[0] + 0.5 * head * v, neck[1] - 0.5 * head * u);
    pen.fill();
  }

  /* words */
  const minus = (text) => text.replace('-', '\u2212');
  const wave = (value) => value <= -0.5 ? (-value).toFixed(0) + 'i' : Math.abs(value).toFixed(0);
  const gpa = (place) => minus(String(place.gpa)) + '\u00a0GPa';
  const shift = (mode) => mode.frequencies[mode.frequencies.length - 1] - mode.frequencies[0];
  function title(mode) {
    const times = mode.degeneracy > 1 ? ' \u00d7' + mode.degeneracy : '';
    return mode.number + '\u2002' + mode.name + times + '\u2002' +
      mode.frequencies.map(wave).join(' \u2192 ') + ' cm\u207b\u00b9' +
      (mode.direction && mode.direction !== 'blue' ? '\u2002' + mode.direction : '');
  }
  function say() {
    const mode = data.modes[state.mode];
    const here = data.pressures[state.at];
    const value = mode.frequencies[state.at];
    let text = mode.name + ' at ' + wave(value) + '\u00a0cm\u207b\u00b9, ' + gpa(here) + '.';
    if (data.pressures.length > 1) {
      const moved = shift(mode);
      text += ' It shifts by ' + (moved >= 0.5 ? '+' : moved <= -0.5 ? '\u2212' : '') + Math.abs(moved).toFixed(0) +
        '\u00a0cm\u207b\u00b9 from ' + gpa(data.pressures[0]) + ' to ' + gpa(data.pressures[1]) + '.';
    }
    if (value < -1) { text += ' It is imaginary: the frames are a path, not a vibration.'; }
    if (mode.degeneracy > 1) { text += ' One of ' + mode.degeneracy + ' degenerate partners.'; }
    find('caption').textContent = text;
    find('command').textContent = data.command.replace('PRESSURE', String(here.gpa))
      .replace('MODE', String(mode.number));
    find('play').textContent = state.playing ? 'Pause' : 'Play';
    find('play').setAttribute('aria-pressed', String(state.playing));
    canvas.setAttribute('aria-label', 'Moving picture of the crystal. ' + text);
  }

  /* time: a frame is asked for only while something moves and is on the screen */
  function tick(now) {
    if (!state.playing || !state.seen) { last = null; return; }
    if (last !== null) { state.phase = (state.phase + (now - last) / PERIOD) % 1; }
    last = now;
    draw();
    requestAnimationFrame(tick);
  }
  function go() { if (last === null && state.playing && state.seen) { last = performance.now(); requestAnimationFrame(tick); } }
  function play(wanted) { state.playing = wanted; say(); draw(); go(); }
  function choose(mode, at) { state.mode = mode; state.at = at; build(); show(); }
  function show() {
    find('mode').value = String(state.mode);
    holder.querySelectorAll('[name="mode-view-pressure"]').forEach((one) => { one.checked = Number(one.value) === state.at; });
    say();
    draw();
  }

  /* controls */
  const list = find('mode');
  data.modes.forEach((mode, index) => list.add(new Option(title(mode), String(index))));
  const places = find('pressures');
  data.pressures.forEach((place, index) => {
    const label = document.createElement('label');
    const radio = document.createElement('input');
    radio.type = 'radio';
    radio.name = 'mode-view-pressure';
    radio.value = String(index);
    radio.addEventListener('change', () => choose(state.mode, index));
    label.append(radio, ' ' + gpa(place));
    places.append(label);
  });
  list.addEventListener('change', () => choose(Number(list.value), state.at));
  find('play').addEventListener('click', () => play(!state.playing));
  find('amplitude').addEventListener('input', (event) => { state.amplitude = Number(event.target.value); draw(); });
  find('arrows').addEventListener('change', (event) => { state.arrows = event.target.checked; draw(); });
  holder.querySelectorAll('[data-axis]').forEach((button) => button.addEventListener('click', () => {
    lookAlong(Number(button.dataset.axis));
    draw();
  }));
  canvas.addEventListener('pointerdown', (event) => {
    let [x, y] = [event.clientX, event.clientY];
    const move = (step) => {
      rotate(0.01 * (step.clientX - x), 0.01 * (step.clientY - y));
      [x, y] = [step.clientX, step.clientY];
      draw();
    };
    const stop = () => {
      window.removeEventListener('pointermove', move);
      window.removeEventListener('pointerup', stop);
      window.removeEventListener('pointercancel', stop);
    };
    window.addEventListener('pointermove', move);
    window.addEventListener('pointerup', stop);
    window.addEventListener('pointercancel', stop);
  });
  const KEYS = { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, -0.12], ArrowDown: [0, 0.12] };
  canvas.addEventListener('keydown', (event) => {
    if (event.key === ' ') { play(!state.playing); } else if (KEYS[event.key]) { rotate(...KEYS[event.key]); draw(); } else { return; }
    event.preventDefault();
  });
  still.addEventListener('change', () => play(!still.matches));
  function fit() {
    const box = canvas.getBoundingClientRect();
    size = { width: box.width, height: box.height, ratio: window.devicePixelRatio || 1 };
    canvas.width = Math.round(size.width * size.ratio);
    canvas.height = Math.round(size.height * size.ratio);
    draw();
  }
  new ResizeObserver(fit).observe(canvas);
  new IntersectionObserver((entries) => { state.seen = entries[entries.length - 1].isIntersecting; go(); }).observe(canvas);

  /* a link to one picture: #mode=2&pressure=p_2000&phase=0.25 */
  function follow() {
    const asked = new URLSearchParams(window.location.hash.slice(1));
    const mode = data.modes.findIndex((one) => String(one.number) === asked.get('mode'));
    const at = data.pressures.findIndex((place) => place.label === asked.get('pressure'));
    if (asked.has('phase') && Number.isFinite(Number(asked.get('phase')))) {
      state.phase = Number(asked.get('phase'));
      state.playing = false;
    }
    choose(mode < 0 ? state.mode : mode, at < 0 ? state.at : at);
    if (mode >= 0) { holder.scrollIntoView(); }
  }
  window.addEventListener('hashchange', follow);
  holder.classList.add('live');
  follow();
  fit();
  go();
})();
