// The camera: a square viewfinder, and one picture of what it shows.

const SAYS = {
  NotAllowedError: "The browser blocks the camera; allow it in the settings for this page.",
  NotFoundError: "This device has no camera; choose a file instead.",
  NotReadableError: "Another program uses the camera; close it and try again.",
};

const MOST = 720; // px of the picture, more than any model takes

/** Starts the camera; gives {take, stop}. `ended` is called where it stops by itself, as when it is pulled out. */
export async function camera(video, ended) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("Browsers allow the camera only over https or on this computer; choose a file instead.");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
  } catch (error) {
    throw new Error(SAYS[error.name] ?? `The camera did not start (${error.name}); choose a file instead.`);
  }
  for (const track of stream.getTracks()) track.addEventListener("ended", ended);
  video.srcObject = stream;
  await video.play();
  return {
    /** The middle square as a canvas. */
    take() {
      const side = Math.min(video.videoWidth, video.videoHeight);
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = Math.min(side, MOST);
      const [left, top] = [(video.videoWidth - side) / 2, (video.videoHeight - side) / 2];
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(video, left, top, side, side, 0, 0, canvas.width, canvas.height);
      return canvas;
    },
    stop() {
      for (const track of stream.getTracks()) track.stop();
      video.srcObject = null;
    },
  };
}
