"""Temperatures of things, judged by profiles of limits."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends

from api.cold_chain import ColdChainOut, CourseIn, ProfileList, describe_cold_chain, list_profiles
from api.parameters import only_declared
from api.security import EngineDep, ReaderDep

router: Final = APIRouter(prefix="/cold-chain", tags=["cold chain"], dependencies=[Depends(only_declared)])


@router.get("/profiles", summary="List the profiles of limits that are known")
def show_profiles() -> ProfileList:
    """Give each profile with its source, its band, and by how much a thing may leave it."""
    return list_profiles()


@router.post("/evaluations", summary="Judge the temperatures of a thing")
def evaluations(engine: EngineDep, reader: ReaderDep, asked: CourseIn) -> ColdChainOut:
    """Judge the temperatures that events tell of a thing and of what it was in, device by device.

    Each excursion has the events that tell it, with their receipts.
    """
    return describe_cold_chain(engine, reader, asked)
