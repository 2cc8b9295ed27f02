// Signs of the map: one shape and one colour per class, so that neither colour-blind people nor a
// grey print lose the difference. The legend on the page shows the same, as SVG.

interface Sign {
  colour: string;
  draw: (context: CanvasRenderingContext2D, size: number) => void;
}

const polygon = (points: [number, number][]) => (context: CanvasRenderingContext2D, size: number) => {
  context.beginPath();
  points.forEach(([x, y], index) => (index ? context.lineTo(x * size, y * size) : context.moveTo(x * size, y * size)));
  context.closePath();
};

const circle = (context: CanvasRenderingContext2D, size: number): void => {
  context.beginPath();
  context.arc(size / 2, size / 2, size * 0.36, 0, Math.PI * 2);
  context.closePath();
};

const SIGNS: Record<string, Sign> = {
  ban: { colour: "#b3261e", draw: polygon([[0.12, 0.12], [0.88, 0.12], [0.88, 0.88], [0.12, 0.88]]) },
  merge: { colour: "#7a4a00", draw: polygon([[0.5, 0.06], [0.94, 0.86], [0.06, 0.86]]) },
  regulate: { colour: "#0b57a4", draw: circle },
  none_needed: { colour: "#1b6e3c", draw: polygon([[0.5, 0.05], [0.95, 0.5], [0.5, 0.95], [0.05, 0.5]]) },
  undecided: {
    colour: "#5b6470",
    draw: polygon([[0.3, 0.08], [0.7, 0.08], [0.92, 0.5], [0.7, 0.92], [0.3, 0.92], [0.08, 0.5]]),
  },
};

/** Images by name, "class-CODE", drawn once. */
export function shapes(): [string, ImageData][] {
  const size = 36;
  return Object.entries(SIGNS).map(([code, sign]) => {
    const canvas = document.createElement("canvas");
    canvas.width = size;
    canvas.height = size;
    const context = canvas.getContext("2d");
    if (!context) throw new Error("no 2d canvas");
    sign.draw(context, size);
    context.fillStyle = sign.colour;
    context.fill();
    context.lineWidth = 3;
    context.strokeStyle = "#ffffff";
    context.stroke();
    return [`class-${code}`, context.getImageData(0, 0, size, size)];
  });
}
