// The build of MapLibre for pages with a strict content security policy has the types of the other.
declare module "maplibre-gl/dist/maplibre-gl-csp" {
  export * from "maplibre-gl";
  export { default } from "maplibre-gl";
}
