//! The agent worker's protocol: `WorkerMessage` out, `ServerMessage` in.

use std::fmt;
use std::sync::Arc;

use livekit_protocol::server_message::Message as In;
use livekit_protocol::worker_message::Message as Out;
use livekit_protocol::{
    AvailabilityResponse, JobStatus, JobType, ParticipantPermission, RegisterWorkerRequest, ServerMessage,
    UpdateJobStatus, UpdateWorkerStatus, WorkerMessage, WorkerPing, WorkerStatus,
};
use prost::Message as _;

use super::{Received, Sent};
use crate::pii::Redacted;

/// LiveKit's id of a job, `AJ_...`. Safe to log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobId(Arc<str>);

impl JobId {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identity our participant takes for this job: unique, so nobody is kicked out of a room.
    pub fn identity(&self) -> String {
        format!("agent-{}", self.0)
    }
}

impl From<String> for JobId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A job that is ours: the room to join and the token that opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub job: JobId,
    /// The room's name, which holds the caller's number.
    pub room: Redacted<String>,
    /// Where to join, if not at the project's own address.
    pub url: Option<String>,
    pub token: Redacted<String>,
}

/// What a worker says of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Status {
    /// Whether the worker would take a job.
    pub available: bool,
    /// livekit-server gives no job to a worker at 0.70 or more.
    pub load: f32,
    pub jobs: u32,
    pub draining: bool,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    Running,
    Succeeded,
    /// With the name of what failed.
    Failed(&'static str),
}

#[derive(Debug, Clone, PartialEq)]
pub enum ToServer {
    Register {
        agent_name: Arc<str>,
    },
    Accept(JobId),
    /// Not here: LiveKit tries another worker.
    Refuse(JobId),
    Status(Status),
    Job(JobId, JobState),
    /// LiveKit answers with a pong; the number means nothing to it.
    Ping {
        millis: i64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromServer {
    Registered,
    Offered(JobId),
    Assigned(Assignment),
    Terminated(JobId),
    /// A pong, or a message that a telephone worker has no use for.
    Other,
}

impl Sent for ToServer {
    fn encode(self) -> Vec<u8> {
        let message = match self {
            Self::Register { agent_name } => Out::Register(register(&agent_name)),
            Self::Accept(job) => Out::Availability(AvailabilityResponse {
                available: true,
                participant_identity: job.identity(),
                job_id: job.as_str().to_owned(),
                ..AvailabilityResponse::default()
            }),
            Self::Refuse(job) => Out::Availability(AvailabilityResponse {
                job_id: job.as_str().to_owned(),
                ..AvailabilityResponse::default()
            }),
            Self::Status(status) => Out::UpdateWorker(worker_status(status)),
            Self::Job(job, state) => Out::UpdateJob(job_status(&job, state)),
            Self::Ping { millis } => Out::Ping(WorkerPing { timestamp: millis }),
        };
        WorkerMessage { message: Some(message) }.encode_to_vec()
    }
}

impl Received for FromServer {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let message = ServerMessage::decode(bytes).ok()?.message;
        Some(match message {
            Some(In::Register(_)) => Self::Registered,
            Some(In::Availability(request)) => match request.job {
                Some(job) => Self::Offered(job.id.into()),
                None => Self::Other,
            },
            Some(In::Assignment(assignment)) => match assignment.job {
                Some(job) => Self::Assigned(Assignment {
                    job: job.id.into(),
                    room: job.room.unwrap_or_default().name.into(),
                    url: assignment.url.filter(|url| !url.is_empty()),
                    token: assignment.token.into(),
                }),
                None => Self::Other,
            },
            Some(In::Termination(termination)) => Self::Terminated(termination.job_id.into()),
            Some(_) | None => Self::Other,
        })
    }
}

fn register(agent_name: &str) -> RegisterWorkerRequest {
    RegisterWorkerRequest {
        r#type: JobType::JtRoom as i32,
        agent_name: agent_name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        allowed_permissions: Some(ParticipantPermission {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: true,
            can_update_metadata: true,
            ..ParticipantPermission::default()
        }),
        ..RegisterWorkerRequest::default()
    }
}

fn worker_status(status: Status) -> UpdateWorkerStatus {
    let name = if status.available { WorkerStatus::WsAvailable } else { WorkerStatus::WsFull };
    UpdateWorkerStatus {
        status: Some(name as i32),
        load: status.load,
        job_count: status.jobs,
        draining: status.draining,
        ..UpdateWorkerStatus::default()
    }
}

fn job_status(job: &JobId, state: JobState) -> UpdateJobStatus {
    let (status, error) = match state {
        JobState::Running => (JobStatus::JsRunning, ""),
        JobState::Succeeded => (JobStatus::JsSuccess, ""),
        JobState::Failed(error) => (JobStatus::JsFailed, error),
    };
    UpdateJobStatus { job_id: job.as_str().to_owned(), status: status as i32, error: error.to_owned() }
}
