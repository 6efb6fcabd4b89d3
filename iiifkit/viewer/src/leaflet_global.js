// Leaflet-IIIF looks for Leaflet under its global name; imports run in order, so this file comes before it.

import L from "leaflet";

globalThis.L = L;
