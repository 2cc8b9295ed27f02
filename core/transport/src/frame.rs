//! Frames on a lane: a length (u32, big endian) and so many bytes.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::FrameError;

/// The largest frame: what a peer can make this side hold at once, per lane.
pub const MAX_FRAME: usize = 1024 * 1024;

/// Bytes before a frame's content.
pub const FRAME_HEADER: usize = 4;

/// First allocation for a frame; it grows only as bytes really come.
const FIRST_CHUNK: usize = 16 * 1024;

/// Writes a frame. Returns when the stream has accepted all of it.
///
/// # Errors
/// [`FrameError::TooLarge`], [`FrameError::Io`].
pub async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> Result<(), FrameError> {
    write_tagged(stream, &[], frame).await
}

/// Writes a tag and a frame in one piece: a header by itself would travel in a packet by itself.
pub(crate) async fn write_tagged(
    stream: &mut (impl AsyncWrite + Unpin),
    tag: &[u8],
    frame: &[u8],
) -> Result<(), FrameError> {
    let too_large = || FrameError::TooLarge { max: MAX_FRAME, announced: frame.len() };
    let length = u32::try_from(frame.len()).ok().filter(|_| frame.len() <= MAX_FRAME).ok_or_else(too_large)?;
    let bytes = [tag, &length.to_be_bytes(), frame].concat();
    stream.write_all(&bytes).await.map_err(FrameError::Io)
}

/// Reads a frame; `None` when the stream ended between two. Memory follows what has arrived, not
/// what was announced. Not cancel-safe.
///
/// # Errors
/// [`FrameError::TooLarge`] before anything is allocated, [`FrameError::Cut`], [`FrameError::Io`].
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Vec<u8>>, FrameError> {
    let mut header = [0; FRAME_HEADER];
    let mut got = 0;
    while got < FRAME_HEADER {
        match stream.read(&mut header[got..]).await.map_err(FrameError::Io)? {
            0 if got == 0 => return Ok(None),
            0 => return Err(FrameError::Cut),
            more => got += more,
        }
    }
    let announced = usize::try_from(u32::from_be_bytes(header)).unwrap_or(usize::MAX);
    if announced > MAX_FRAME {
        return Err(FrameError::TooLarge { max: MAX_FRAME, announced });
    }
    let mut frame = Vec::with_capacity(announced.min(FIRST_CHUNK));
    let mut rest = stream.take(announced as u64);
    while frame.len() < announced {
        if rest.read_buf(&mut frame).await.map_err(FrameError::Io)? == 0 {
            return Err(FrameError::Cut);
        }
    }
    Ok(Some(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_back_in_order_and_end_cleanly() {
        let mut wire = Vec::new();
        let large = vec![7; MAX_FRAME];
        for frame in [&b"one"[..], b"", &large] {
            write_frame(&mut wire, frame).await.unwrap();
        }
        let mut stream = &wire[..];
        assert_eq!(read_frame(&mut stream).await.unwrap().unwrap(), b"one");
        assert_eq!(read_frame(&mut stream).await.unwrap().unwrap(), b"");
        assert_eq!(read_frame(&mut stream).await.unwrap().unwrap(), large);
        assert!(read_frame(&mut stream).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_frame_too_large_is_refused_by_its_header_and_before_it_is_sent() {
        let announced = MAX_FRAME + 1;
        let header = u32::try_from(announced).unwrap().to_be_bytes();
        let error = read_frame(&mut &header[..]).await.unwrap_err();
        assert!(matches!(error, FrameError::TooLarge { announced: a, .. } if a == announced));
        let mut wire = Vec::new();
        let error = write_frame(&mut wire, &vec![0; announced]).await.unwrap_err();
        assert!(matches!(error, FrameError::TooLarge { .. }));
        assert!(wire.is_empty());
    }

    #[tokio::test]
    async fn a_cut_anywhere_inside_a_frame_is_an_error() {
        let mut wire = Vec::new();
        write_frame(&mut wire, b"twelve bytes").await.unwrap();
        for end in 1..wire.len() {
            assert!(matches!(read_frame(&mut &wire[..end]).await, Err(FrameError::Cut)), "cut at {end}");
        }
    }
}
