// Draws the curves from the page's own JSON; knows nothing else. Every name that came from the run is escaped again here,
// because plotly reads a little markup (<b>, <a>) in the labels it is given.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("curves").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const chosen = { unit: null, axis: null };
  const escaped = (text) => String(text).replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
  let printing = false;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const theme = () => (printing
    ? { ink: "#1d1b18", soft: "#6b665d", line: "#ddd8ce", train: "#9a9488", model: "#0b6e69", floor: "#a9562b", paper: "#ffffff" }
    : { ink: colour("ink"), soft: colour("soft"), line: colour("line"), train: colour("train"), model: colour("accent"),
        floor: colour("floor"), paper: colour("paper") });

  function layout(colours, height, xTitle, yTitle, extra = {}) {
    const axis = { gridcolor: colours.line, zeroline: false, linecolor: colours.line, tickfont: { color: colours.soft, size: 12 },
      title: { font: { color: colours.soft, size: 12 }, standoff: 8 }, automargin: true, fixedrange: false };
    const face = colour("sans");
    return Object.assign({
      height, margin: { l: 48, r: 16, t: 12, b: 44 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: face, color: colours.ink, size: 13 }, hovermode: "x unified", showlegend: false,
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colours.line, activecolor: colours.ink },
      hoverlabel: { bgcolor: colours.paper, bordercolor: colours.line, font: { color: colours.ink, family: face, size: 12 } },
      xaxis: Object.assign({}, axis, { title: { ...axis.title, text: xTitle }, showgrid: false, rangemode: "tozero", hoverformat: ",.4~s" }),
      yaxis: Object.assign({}, axis, { title: { ...axis.title, text: yTitle } }),
    }, extra);
  }

  const formats = { learning_rate: ".3~g", grad_norm: ".3~g", mfu: ".0%" };
  const options = { responsive: true, displaylogo: false, showTips: false, scrollZoom: false,
    // Named one by one: plotly also has buttons that share a chart, and this file sends nothing.
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
    toImageButtonOptions: { format: "svg", filename: "curve" } };

  // The first steps fall from the uniform floor and would flatten all the rest, so the window opens below them.
  function windowOf(curves, floors) {
    const known = curves.flat().filter((y) => y !== null).sort((a, b) => a - b);
    if (!known.length) return undefined;
    const top = known[Math.floor(0.97 * (known.length - 1))];
    const levels = floors.filter((y) => y <= top * 1.25);
    const low = Math.min(known[0], ...levels), high = Math.max(top, ...levels);
    const room = (high - low || 1) * 0.07;
    return [low - room, high + room];
  }

  function drawMain() {
    const place = document.getElementById("chart-main");
    if (!place || !chosen.unit) return;
    const colours = theme(), unit = chosen.unit, axis = chosen.axis;
    const shown = (name, label, line) => ({ type: "scatter", name: label,
      mode: name === "validation" || data[name][unit].filter((y) => y !== null).length < 2 ? "lines+markers" : "lines",
      x: data[name][axis], y: data[name][unit], line, marker: { size: 6, color: line.color }, connectgaps: true,
      hovertemplate: "%{y:.4f}<extra>" + label + "</extra>" });
    const traces = [shown("train", "training", { color: colours.train, width: 1.5 }),
      shown("validation", "validation", { color: colours.model, width: 2.5 })];
    const floors = data.floors.filter((floor) => floor[unit] !== null && floor[unit] !== undefined);
    const wide = printing || place.clientWidth > 560;
    const range = windowOf([data.train[unit], data.validation[unit]], floors.map((floor) => floor[unit]));
    const visible = floors.filter((floor) => !range || (floor[unit] >= range[0] && floor[unit] <= range[1]));
    // Names stand beside the ends of their lines, in the margin where there is room, pushed apart where they would collide.
    const ends = [["train", "training", colours.soft], ["validation", "validation", colours.model]].flatMap(([name, label, color]) => {
      const last = data[name][unit].findLast((y) => y !== null);
      return last === undefined ? [] : [{ y: last, text: label, color }];
    });
    // A narrow window has no margin to spare: a legend names the two curves there.
    const named = visible.map((floor) => ({ y: floor[unit], text: escaped(floor.name) + " " + floor[unit].toFixed(2), color: colours.floor }))
      .concat(wide ? ends : []).sort((a, b) => b.y - a.y);
    const height = wide ? 440 : 360, perPixel = range ? (range[1] - range[0]) / (height - 56) : 1;
    let above = Infinity;
    const annotations = named.map((label) => {
      const at = Math.min(label.y, above - 16 * perPixel);
      above = at;
      return { xref: "paper", x: wide ? 1.01 : 1, xanchor: wide ? "left" : "right", y: at, yanchor: wide ? "middle" : "bottom", text: label.text,
        showarrow: false, font: { color: label.color, size: 12.5 }, bgcolor: wide ? undefined : colours.paper, borderpad: 0, opacity: 1 };
    });
    const shapes = visible.map((floor) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: floor[unit], y1: floor[unit],
      line: { color: colours.floor, width: 1.2, dash: "4px,4px" }, layer: "below" }));
    const drawn = layout(colours, height, data.axes[axis], data.units[unit], { annotations, shapes });
    if (wide) drawn.margin.r = 12 + 7.2 * Math.max(0, ...named.map((label) => Math.min(label.text.length, 36)));
    else Object.assign(drawn, { showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" } });
    if (range) drawn.yaxis.range = range;
    if (printing) drawn.width = 620;
    Plotly.react(place, traces, drawn, options);
  }

  function drawSmall() {
    const colours = theme();
    for (const [key, label] of Object.entries(data.labels)) {
      const place = document.getElementById("chart-" + key);
      if (!place) continue;
      const known = data.small[key].filter((y) => y !== null).sort((a, b) => a - b);
      const trace = { type: "scatter", mode: known.length > 1 ? "lines" : "markers", x: data.train[chosen.axis], y: data.small[key], name: label,
        line: { color: colours.model, width: 1.5 }, hovertemplate: "%{y:" + (formats[key] || ".4~s") + "}<extra></extra>" };
      const drawn = layout(colours, 190, "", "", { margin: { l: 44, r: 10, t: 8, b: 30 } });
      drawn.yaxis.tickformat = formats[key] || ".3~s";
      drawn.yaxis.nticks = 4;
      drawn.xaxis.nticks = 5;
      // The gradient norm's first spikes would flatten its line; speed and rate read best from zero.
      const top = key === "grad_norm" ? known[Math.floor(0.99 * (known.length - 1))] : known[known.length - 1];
      drawn.yaxis.range = [0, (top || 1) * 1.08];
      if (printing) drawn.width = 300;
      Plotly.react(place, [trace], drawn, { ...options, displayModeBar: false });
    }
  }

  // Names for the most frequent words, as many as stay legible; the others are points that say theirs when touched.
  function drawMap() {
    const place = document.getElementById("chart-map");
    if (!place || !data.map) return;
    const colours = theme(), named = place.clientWidth > 560 ? 110 : 45;
    const words = data.map.words.map(escaped);
    const trace = { type: "scatter", mode: "markers+text", x: data.map.x, y: data.map.y, hovertext: words,
      text: words.map((word, index) => (index < named ? word : "")), textposition: "top center", hoverinfo: "text",
      textfont: { size: 11, color: colours.ink }, marker: { size: 4, color: colours.model, opacity: 0.7 } };
    const drawn = layout(colours, 560, "", "", { margin: { l: 8, r: 8, t: 12, b: 8 }, hovermode: "closest" });
    for (const axis of [drawn.xaxis, drawn.yaxis]) Object.assign(axis, { showticklabels: false, showgrid: false, rangemode: "normal" });
    if (printing) drawn.width = 620;
    Plotly.react(place, [trace], drawn, options);
  }

  const draw = () => { drawMain(); drawSmall(); drawMap(); };

  for (const group of document.querySelectorAll("[data-group]")) {
    group.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      for (const other of group.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
      chosen[group.dataset.group] = button.dataset.choice;
      draw();
    });
  }

  const known = (unit) => [...data.train[unit], ...data.validation[unit]].some((y) => y !== null);
  chosen.unit = Object.keys(data.units).find(known) || null;
  chosen.axis = "step";
  document.documentElement.classList.add("scripted");
  draw();
  dark.addEventListener("change", draw);
  window.addEventListener("beforeprint", () => { printing = true; draw(); });
  window.addEventListener("afterprint", () => { printing = false; draw(); });
})();
