/** The view of one map, moved by hand, wheel and keys. */

import { panned, readView, toMap, toScreen, whole, written, zoomed, type Bounds, type Size, type View } from "./view";

const RESTS = 160;

export class Camera {
  view: View = $state.raw({ x: 0, y: 0, scale: 1 });
  size: Size = $state.raw({ width: 0, height: 0 });
  moving = $state(false);
  private bounds: Bounds = { x: [0, 1], y: [0, 1] };
  private untouched = $state(true);
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** How many times closer than the whole map. */
  get zoom(): number {
    return this.view.scale / this.base;
  }
  private get base(): number {
    return whole(this.bounds, this.size).scale;
  }

  /** The view as it stands in an address; null for the whole map. */
  get at(): string | null {
    return this.untouched ? null : written(this.view, this.base);
  }
  /** Go to the view of an address; to the whole map where it names none. */
  set at(text: string | null) {
    const view = text === null ? null : readView(text, this.base);
    this.untouched = view === null;
    this.view = view ?? whole(this.bounds, this.size);
  }

  show(bounds: Bounds): void {
    this.bounds = bounds;
    this.all();
  }
  /** Follow the size of the map's element; one that is hidden has none. */
  resize(size: Size): void {
    if (size.width === 0 || size.height === 0) return;
    if (size.width === this.size.width && size.height === this.size.height) return;
    const zoom = this.size.width ? this.zoom : 1;
    this.size = size;
    if (this.untouched) this.view = whole(this.bounds, size);
    else this.view = { ...this.view, scale: this.base * zoom };
  }
  all(): void {
    this.untouched = true;
    this.view = whole(this.bounds, this.size);
  }
  pan(dx: number, dy: number): void {
    this.moved(panned(this.view, dx, dy));
  }
  zoomAt(factor: number, left = this.size.width / 2, top = this.size.height / 2): void {
    this.moved(zoomed(this.view, this.size, factor, left, top, this.base));
  }
  /** Bring a place of the map into the middle, closely enough to see its neighbours. */
  goTo(x: number, y: number): void {
    this.moved({ x, y, scale: Math.max(this.view.scale, this.base * 4) });
  }
  toScreen = (x: number, y: number): [number, number] => toScreen(this.view, this.size, x, y);
  toMap = (left: number, top: number): [number, number] => toMap(this.view, this.size, left, top);

  private moved(view: View): void {
    this.view = view;
    this.untouched = false;
    this.moving = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.moving = false), RESTS);
  }
}
