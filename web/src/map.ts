// The map: outlets as vector tiles of this server, over whatever base map the server has. Loaded
// only on pages that show one.
import maplibre, { type Map as MapLibre, type StyleSpecification } from "maplibre-gl/dist/maplibre-gl-csp";
import workerUrl from "maplibre-gl/dist/maplibre-gl-csp-worker.js?url";
import "maplibre-gl/dist/maplibre-gl.css";
import { Protocol } from "pmtiles";
import { shapes } from "./shapes";

maplibre.setWorkerUrl(workerUrl);
maplibre.addProtocol("pmtiles", new Protocol().tile);

function webgl(): boolean {
  const canvas = document.createElement("canvas");
  return Boolean(canvas.getContext("webgl2") ?? canvas.getContext("webgl"));
}

/** What the page says of the map (its data-map attribute, JSON). */
interface Settings {
  style: string;
  bounds: [number, number, number, number];
  /** Outlet to mark, on its own page. */
  point?: [number, number];
}

export async function open(element: HTMLElement): Promise<void> {
  const note = document.querySelector<HTMLElement>("#map-note");
  if (!webgl()) {
    if (note) note.hidden = false;
    element.dataset.state = "no-webgl";
    return;
  }
  const settings = JSON.parse(element.dataset.map ?? "{}") as Settings;
  const answer = await fetch(settings.style, { headers: { accept: "application/json" } });
  const style = (await answer.json()) as StyleSpecification;
  const map = new maplibre.Map({
    container: element,
    style,
    bounds: settings.bounds,
    fitBoundsOptions: { padding: 24 },
    attributionControl: { compact: true },
    localIdeographFontFamily: "sans-serif",
    maxZoom: 18,
  });
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibre.ScaleControl({ unit: "metric" }), "bottom-left");
  for (const [name, image] of shapes()) map.addImage(name, image, { pixelRatio: 2 });
  if (settings.point) {
    new maplibre.Marker({ color: "#b3261e" }).setLngLat(settings.point).addTo(map);
    map.jumpTo({ center: settings.point, zoom: 14 });
  }
  follow(map);
  map.on("idle", () => {
    element.dataset.state = "ready";
  });
}

/** A click opens the outlet; a click on a group of them comes closer. */
function follow(map: MapLibre): void {
  const layers = ["outlets", "outlet-groups"];
  map.on("click", (event) => {
    const present = layers.filter((layer) => map.getLayer(layer));
    const [feature] = map.queryRenderedFeatures(event.point, { layers: present });
    if (!feature) return;
    const id = feature.properties["id"] as string | undefined;
    if (id) window.location.assign(`/outlets/${encodeURIComponent(id)}`);
    else map.easeTo({ center: event.lngLat, zoom: map.getZoom() + 2 });
  });
  for (const layer of layers) {
    map.on("mouseenter", layer, () => (map.getCanvas().style.cursor = "pointer"));
    map.on("mouseleave", layer, () => (map.getCanvas().style.cursor = ""));
  }
}
