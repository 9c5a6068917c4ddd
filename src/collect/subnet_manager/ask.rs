//! Questions out, answers in, over one umad device.

use crate::sys::device::Umad;
use pathvet_checks::wire::mad::{self, Answer, Class, Question};
use std::io;
use std::time::{Duration, Instant};

/// Largest answer that is read: a table of subnet managers, put together by the kernel.
const BUFFER: usize = 64 << 10;
/// How often a question is asked before it counts as unanswered.
const TRIES: u32 = 3;
/// Datagrams that are read while one answer is awaited: the device gives this agent's answers alone, so more are nonsense.
const MOST_READ: usize = 4096;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody answered in time.
    Silent,
    /// What came is no answer, or could not be sent.
    Wrong(String),
}

/// One port with an agent for every class of question.
pub(super) struct Asker {
    umad: Umad,
    agents: Vec<(Class, u32)>,
    last: u32,
    buffer: Vec<u8>,
}

impl Asker {
    /// # Errors
    /// The system's, of opening the device or registering with it.
    pub(super) fn open(device: &str) -> io::Result<Self> {
        let umad = Umad::open(device)?;
        let mut agents = Vec::with_capacity(Class::ALL.len());
        for class in Class::ALL {
            let (queue_pair, number, version, rmpp) = class.registration();
            agents.push((class, umad.register(queue_pair, number, version, rmpp)?));
        }
        Ok(Self { umad, agents, last: 0, buffer: vec![0; BUFFER] })
    }

    /// Asks one question.
    pub(super) fn ask(&mut self, question: Question, within: Duration) -> Result<Answer, Refusal> {
        self.ask_all(&[question], within).pop().unwrap_or(Err(Refusal::Silent))
    }

    /// Asks all questions at once; one result each, in their order, after `within` at the latest.
    pub(super) fn ask_all(&mut self, questions: &[Question], within: Duration) -> Vec<Result<Answer, Refusal>> {
        let mut results: Vec<Option<Result<Answer, Refusal>>> = questions.iter().map(|_| None).collect();
        let share = within / TRIES;
        for _ in 0..TRIES {
            let open: Vec<usize> = (0..questions.len()).filter(|at| results[*at].is_none()).collect();
            if open.is_empty() {
                break;
            }
            let first = self.last.wrapping_add(1);
            for at in &open {
                self.last = self.last.wrapping_add(1);
                let milliseconds = u32::try_from(share.as_millis()).unwrap_or(u32::MAX).max(1);
                let datagram = questions[*at].build(self.agent(questions[*at].class()), self.last, milliseconds);
                if let Err(error) = self.umad.send(&datagram) {
                    results[*at] = Some(Err(Refusal::Wrong(format!("it cannot be sent: {}", super::gap::words(&error)))));
                }
            }
            self.hear(questions, &open, first, share, &mut results);
        }
        results.into_iter().map(|result| result.unwrap_or(Err(Refusal::Silent))).collect()
    }

    /// Reads until every question of `open` is answered or has timed out; their transactions count up from `first`.
    fn hear(
        &mut self,
        questions: &[Question],
        open: &[usize],
        first: u32,
        share: Duration,
        results: &mut [Option<Result<Answer, Refusal>>],
    ) {
        let until = Instant::now() + share;
        let mut awaited: Vec<bool> = open.iter().map(|at| results[*at].is_none()).collect();
        for _ in 0..MOST_READ {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !awaited.contains(&true) {
                return;
            }
            let length = match self.umad.receive(&mut self.buffer, left) {
                Ok(Some(length)) => length,
                Ok(None) => continue,
                Err(error) => {
                    for at in open.iter().filter(|at| results[**at].is_none()).collect::<Vec<_>>() {
                        results[*at] = Some(Err(Refusal::Wrong(super::gap::words(&error))));
                    }
                    return;
                }
            };
            let received = self.buffer.get(..length).unwrap_or_default();
            let Some((agent, number)) = mad::transaction(received) else { continue };
            let position = usize::try_from(number.wrapping_sub(first)).unwrap_or(usize::MAX);
            let Some(at) = open.get(position).copied() else { continue };
            if agent != self.agent(questions[at].class()) || results[at].is_some() {
                continue;
            }
            awaited[position] = false;
            match mad::read(questions[at], received) {
                Ok(answer) => results[at] = Some(Ok(answer)),
                // It is asked again, as long as there are tries.
                Err(fault) if fault.is_timeout() => {}
                Err(fault) => results[at] = Some(Err(Refusal::Wrong(fault.to_string()))),
            }
        }
    }

    fn agent(&self, class: Class) -> u32 {
        self.agents.iter().find(|(known, _)| *known == class).map_or(0, |(_, agent)| *agent)
    }
}
