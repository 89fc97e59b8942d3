/** What a hand does on the map: pan, pinch, wheel, lasso, point and press. */

import type { Camera } from "./camera.svelte";

export interface Heard {
  /** Whether a drag draws a lasso instead of moving the map. */
  lassoing: () => boolean;
  lasso: (line: [number, number][], done: boolean) => void;
  point: (at: [number, number] | null) => void;
  press: (at: [number, number]) => void;
}

const STILL = 4;
const STEP = 60;
const CLOSER = 1.35;

/** Listen on the element of a map, until the function that it returns is called. */
export function gestures(element: HTMLElement, camera: Camera, heard: Heard): () => void {
  const hands = new Map<number, [number, number]>();
  let line: [number, number][] | null = null;
  let start: [number, number] | null = null;
  const at = (event: MouseEvent): [number, number] => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const apart = (): number => {
    const [a, b] = [...hands.values()];
    return a && b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 0;
  };

  const on: { [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void } = {
    pointerdown(event) {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      const here = at(event);
      hands.set(event.pointerId, here);
      start = hands.size === 1 ? here : null;
      line = hands.size === 1 && (event.shiftKey || heard.lassoing()) ? [here] : null;
      heard.point(null);
    },
    pointermove(event) {
      const here = at(event);
      const before = hands.get(event.pointerId);
      if (!before) {
        if (event.pointerType !== "touch") heard.point(here);
        return;
      }
      if (start && Math.hypot(here[0] - start[0], here[1] - start[1]) > STILL) start = null;
      const far = apart();
      hands.set(event.pointerId, here);
      if (line) {
        line.push(here);
        heard.lasso(
          line.map(([x, y]) => camera.toMap(x, y)),
          false,
        );
      } else if (hands.size === 2) {
        const [a, b] = [...hands.values()];
        camera.pan((here[0] - before[0]) / 2, (here[1] - before[1]) / 2);
        if (a && b && far > 0) camera.zoomAt(apart() / far, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
      } else if (!start) camera.pan(here[0] - before[0], here[1] - before[1]);
    },
    pointerup(event) {
      if (!hands.delete(event.pointerId)) return;
      if (line && line.length > 2)
        heard.lasso(
          line.map(([x, y]) => camera.toMap(x, y)),
          true,
        );
      else if (start) heard.press(at(event));
      line = null;
      start = null;
    },
    pointercancel(event) {
      hands.delete(event.pointerId);
      line = null;
      start = null;
    },
    pointerleave() {
      heard.point(null);
    },
    wheel(event) {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      camera.zoomAt(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), ...at(event));
    },
    keydown(event) {
      if (event.target !== element || event.ctrlKey || event.metaKey || event.altKey) return;
      const done = {
        ArrowLeft: () => camera.pan(STEP, 0),
        ArrowRight: () => camera.pan(-STEP, 0),
        ArrowUp: () => camera.pan(0, STEP),
        ArrowDown: () => camera.pan(0, -STEP),
        "+": () => camera.zoomAt(CLOSER),
        "=": () => camera.zoomAt(CLOSER),
        "-": () => camera.zoomAt(1 / CLOSER),
        "0": () => camera.all(),
      }[event.key];
      if (!done) return;
      event.preventDefault();
      done();
    },
  };
  for (const [name, does] of Object.entries(on))
    element.addEventListener(name, does as EventListener, { passive: false });
  return () => {
    for (const [name, does] of Object.entries(on)) element.removeEventListener(name, does as EventListener);
  };
}
