# Installs gpu for this user, without asking anything: irm @url@/latest/install.ps1 | iex
#
# $env:GPU_INSTALL_DIR   where the executable goes (%LOCALAPPDATA%\Programs\gpu)
# $env:GPU_UNINSTALL     set to 1: take away what was installed
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

function Install-Gpu {
  $place = if ($env:GPU_RELEASE_URL) { $env:GPU_RELEASE_URL } else { '@url@' }
  $url = "$place/latest"
  # What SHA256SUMS must be signed with; empty where this release was not signed.
  $key = '@key@'
  $to = if ($env:GPU_INSTALL_DIR) { $env:GPU_INSTALL_DIR } else { Join-Path $env:LOCALAPPDATA 'Programs\gpu' }
  $executable = Join-Path $to 'gpu.exe'

  if ($env:GPU_UNINSTALL -eq '1') {
    foreach ($file in $executable, (Join-Path $to 'gpu.previous.exe')) { if (Test-Path $file) { Remove-Item $file } }
    Set-UserPath { param($folders) $folders | Where-Object { $_ -ne $to } }
    Write-Output "removed $executable; settings and journal are left in your profile"
    return
  }
  if (-not [Environment]::Is64BitOperatingSystem) { throw 'there is no executable for Windows of 32 bits' }

  $work = Join-Path ([IO.Path]::GetTempPath()) ([IO.Path]::GetRandomFileName())
  New-Item -ItemType Directory -Path $work | Out-Null
  try {
    $file = 'gpu-windows-x64.zip'
    Invoke-WebRequest -UseBasicParsing "$url/SHA256SUMS" -OutFile (Join-Path $work 'SHA256SUMS')
    if ($key -and (Get-Command ssh-keygen -ErrorAction SilentlyContinue)) {
      Invoke-WebRequest -UseBasicParsing "$url/SHA256SUMS.sig" -OutFile (Join-Path $work 'SHA256SUMS.sig')
      [IO.File]::WriteAllText((Join-Path $work 'signers'), "gpu $key`n")
      # A pipe of PowerShell ends its lines in another way, and then they are not what was signed.
      Push-Location $work
      try {
        cmd /c 'ssh-keygen -Y verify -f signers -I gpu -n gpu-release -s SHA256SUMS.sig < SHA256SUMS' | Out-Null
      } finally {
        Pop-Location
      }
      if ($LASTEXITCODE -ne 0) { throw 'the signature of the checksums is wrong; nothing was installed' }
    } else {
      Write-Output 'the signature was not checked; the checksums are'
    }
    Write-Output "downloading $url/$file"
    Invoke-WebRequest -UseBasicParsing "$url/$file" -OutFile (Join-Path $work $file)
    $listed = (Get-Content (Join-Path $work 'SHA256SUMS') | Where-Object { $_ -match "  $([regex]::Escape($file))$" }) -split ' ' | Select-Object -First 1
    $found = (Get-FileHash -Algorithm SHA256 (Join-Path $work $file)).Hash.ToLowerInvariant()
    if (-not $listed -or $found -ne $listed) {
      throw "what was downloaded is not what was released: the checksum of $file is wrong; nothing was installed"
    }
    Expand-Archive -Path (Join-Path $work $file) -DestinationPath $work -Force
    $installed = & (Join-Path $work 'gpu.exe') --version
    if ($LASTEXITCODE -ne 0) { throw 'the executable does not start here; nothing was installed' }
    New-Item -ItemType Directory -Force -Path $to | Out-Null
    Move-Item -Force (Join-Path $work 'gpu.exe') $executable
    Set-UserPath { param($folders) @($folders | Where-Object { $_ -ne $to }) + $to }
    Write-Output "installed $installed as $executable; new windows find it as gpu"
    Write-Output "to undo: `$env:GPU_UNINSTALL = '1'; irm $place/latest/install.ps1 | iex"
  } finally {
    Remove-Item -Recurse -Force $work
  }
}

function Set-UserPath([scriptblock] $Change) {
  $folders = @([Environment]::GetEnvironmentVariable('Path', 'User') -split ';' | Where-Object { $_ })
  [Environment]::SetEnvironmentVariable('Path', ((& $Change $folders) -join ';'), 'User')
}

Install-Gpu
