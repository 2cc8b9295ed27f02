// The map: outlets as vector tiles of this server, over whatever base map the server has. Loaded
// only on pages that show one; nothing comes from another host.
import maplibre, {
  type LayerSpecification,
  type Map as MapLibre,
  type MapMouseEvent,
  type SourceSpecification,
} from "maplibre-gl/dist/maplibre-gl-csp";
import workerUrl from "maplibre-gl/dist/maplibre-gl-csp-worker.js?url";
import "maplibre-gl/dist/maplibre-gl.css";
import { Protocol } from "pmtiles";
import { shapes } from "./shapes";

maplibre.setWorkerUrl(workerUrl);
maplibre.addProtocol("pmtiles", new Protocol().tile);

/** What the page says of the map (its data-map attribute, JSON). */
interface Settings {
  bounds: [number, number, number, number];
  /** Filters of the inventory, as in its address. */
  query: string;
  /** A place to mark. */
  point?: [number, number] | null;
}

function webgl(): boolean {
  const canvas = document.createElement("canvas");
  return Boolean(canvas.getContext("webgl2") ?? canvas.getContext("webgl"));
}

const here = (path: string): string => new URL(path, window.location.origin).href.replaceAll("%7B", "{").replaceAll("%7D", "}");

/** TileJSON of the base map, as far as it is used here. */
interface Base {
  tiles: string[];
  minzoom?: number;
  maxzoom?: number;
  attribution?: string;
  format?: string;
  vector_layers?: { id: string }[];
}

async function base(): Promise<{ source?: SourceSpecification; layers: LayerSpecification[] }> {
  const answer = await fetch("/tiles/base.json");
  // A server without a base map has none: the outlets alone are a map, too.
  if (!answer.ok) return { layers: [] };
  const found = (await answer.json()) as Base;
  const common = {
    tiles: found.tiles.map(here),
    minzoom: found.minzoom ?? 0,
    maxzoom: found.maxzoom ?? 14,
    attribution: found.attribution ?? "",
  };
  if (!found.vector_layers) {
    const source: SourceSpecification = { type: "raster", tileSize: 256, ...common };
    return { source, layers: [{ id: "base", type: "raster", source: "base" }] };
  }
  // Whatever the layers are called: areas pale, lines darker, water blue.
  const layers = found.vector_layers.flatMap(({ id }): LayerSpecification[] => {
    const water = /water|river|lake|ocean|水|河/i.test(id);
    const of = { source: "base", "source-layer": id } as const;
    return [
      {
        id: `${id}-area`, type: "fill", ...of, filter: ["==", ["geometry-type"], "Polygon"],
        paint: { "fill-color": water ? "#bcd9ee" : "#e9e5da", "fill-opacity": water ? 1 : 0.5 },
      },
      {
        id: `${id}-line`, type: "line", ...of, filter: ["==", ["geometry-type"], "LineString"],
        paint: { "line-color": water ? "#6fa8d0" : "#b5ab98", "line-width": water ? 1.5 : 0.8 },
      },
    ];
  });
  return { source: { type: "vector", ...common }, layers };
}

/** The zones in force, if there are any; only then the legend names them. */
async function zones(): Promise<{ source?: SourceSpecification; layers: LayerSpecification[] }> {
  const answer = await fetch("/tiles/zones.json");
  if (!answer.ok) return { layers: [] };
  const data = (await answer.json()) as { features: unknown[] };
  if (data.features.length === 0) return { layers: [] };
  const legend = document.querySelector<HTMLElement>("#map-zones");
  if (legend) legend.hidden = false;
  return { source: { type: "geojson", data: data as never }, layers: ZONES };
}

const CLASS = ["coalesce", ["get", "class"], "undecided"];

/** Zones lie below the outlets; their names appear when there is room. */
const ZONES: LayerSpecification[] = [
  { id: "zones", type: "fill", source: "zones", paint: { "fill-color": "#6b3fa0", "fill-opacity": 0.12 } },
  {
    id: "zone-lines", type: "line", source: "zones",
    paint: { "line-color": "#6b3fa0", "line-width": 1.5, "line-dasharray": [4, 2] },
  },
  {
    id: "zone-names", type: "symbol", source: "zones", minzoom: 10,
    layout: { "text-field": ["get", "name"], "text-size": 12 },
    paint: { "text-color": "#4a2a73", "text-halo-color": "#ffffff", "text-halo-width": 1.5 },
  },
];

const OUTLETS: LayerSpecification[] = [
  {
    id: "groups", type: "circle", source: "outlets", "source-layer": "groups",
    paint: {
      "circle-color": "#0f4c81", "circle-opacity": 0.85, "circle-stroke-color": "#ffffff", "circle-stroke-width": 2,
      "circle-radius": ["interpolate", ["linear"], ["log10", ["max", 1, ["get", "count"]]], 0, 7, 2, 15, 4, 26, 6, 36],
    },
  },
  {
    id: "group-counts", type: "symbol", source: "outlets", "source-layer": "groups",
    layout: { "text-field": ["to-string", ["get", "count"]], "text-size": 12, "text-allow-overlap": true },
    paint: { "text-color": "#ffffff" },
  },
  {
    id: "overdue", type: "circle", source: "outlets", "source-layer": "outlets",
    filter: ["to-boolean", ["get", "overdue"]],
    paint: { "circle-radius": 13, "circle-color": "rgba(0,0,0,0)", "circle-stroke-color": "#b3261e", "circle-stroke-width": 2 },
  },
  {
    id: "outlets", type: "symbol", source: "outlets", "source-layer": "outlets",
    layout: {
      "icon-image": ["concat", "class-", CLASS] as never,
      "icon-allow-overlap": true,
    },
  },
];

export async function open(element: HTMLElement): Promise<void> {
  if (!webgl()) {
    const note = document.querySelector<HTMLElement>("#map-note");
    if (note) note.hidden = false;
    element.hidden = true;
    element.dataset.state = "no-webgl";
    return;
  }
  const settings = JSON.parse(element.dataset.map ?? "{}") as Settings;
  const [under, areas] = await Promise.all([base(), zones()]);
  const query = settings.query ? `?${settings.query}` : "";
  const map = new maplibre.Map({
    container: element,
    style: {
      version: 8,
      sources: {
        ...(under.source ? { base: under.source } : {}),
        ...(areas.source ? { zones: areas.source } : {}),
        outlets: { type: "vector", tiles: [here(`/tiles/{z}/{x}/{y}.mvt${query}`)], minzoom: 0, maxzoom: 16 },
      },
      layers: [
        { id: "ground", type: "background", paint: { "background-color": "#eef2f5" } },
        ...under.layers,
        ...areas.layers,
        ...OUTLETS,
      ],
    },
    bounds: settings.bounds,
    fitBoundsOptions: { padding: 24 },
    attributionControl: { compact: true },
    localIdeographFontFamily: "sans-serif",
    maxZoom: 19,
    // The address holds the state of the map.
    hash: "map",
  });
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibre.ScaleControl({ unit: "metric" }), "bottom-left");
  for (const [name, image] of shapes()) map.addImage(name, image, { pixelRatio: 2 });
  if (settings.point) {
    new maplibre.Marker({ color: "#b3261e" }).setLngLat(settings.point).addTo(map);
    map.jumpTo({ center: settings.point, zoom: 15 });
  }
  follow(map);
  map.on("idle", () => {
    element.dataset.zoom = String(map.getZoom());
    element.dataset.state = "ready";
    element.dataset.shown = String(map.queryRenderedFeatures({ layers: ["outlets", "groups"] }).length);
  });
}

/** What the zones at a place are called, and by which document. */
function name(map: MapLibre, event: MapMouseEvent): void {
  if (!map.getLayer("zones")) return;
  const found = map.queryRenderedFeatures(event.point, { layers: ["zones"] }).map(({ properties }) => {
    const of = (key: string): string => String(properties[key] ?? "");
    return `${of("name")} · ${of("label")} · ${of("document")}`;
  });
  if (found.length === 0) return;
  const text = document.createElement("div");
  for (const line of new Set(found)) text.append(Object.assign(document.createElement("p"), { textContent: line }));
  new maplibre.Popup({ maxWidth: "20rem" }).setLngLat(event.lngLat).setDOMContent(text).addTo(map);
}

/** A click opens the outlet; a click on a group of them comes closer. */
function follow(map: MapLibre): void {
  map.on("click", (event) => {
    const [feature] = map.queryRenderedFeatures(event.point, { layers: ["outlets", "groups"] });
    if (!feature) {
      name(map, event);
      return;
    }
    const address = feature.properties["id"] as string | undefined;
    if (address) window.location.assign(`/outlets/${address.split("/").map(encodeURIComponent).join("/")}`);
    else map.easeTo({ center: event.lngLat, zoom: map.getZoom() + 2 });
  });
  for (const layer of ["outlets", "groups"]) {
    map.on("mouseenter", layer, () => (map.getCanvas().style.cursor = "pointer"));
    map.on("mouseleave", layer, () => (map.getCanvas().style.cursor = ""));
  }
}
